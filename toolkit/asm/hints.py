"""What to tell a student for each of nasm's messages: what is wrong, why it is forbidden, what to write instead.

``explain`` takes the message nasm would give, the source line, and what is known of the program. It first asks whether the line
is written for another assembler (``hints_habits``), then looks for the message in ``_RULES``. ``explain_preprocessor`` does
the same for the preprocessor's messages, ``remarks`` finds what nasm accepts in silence though it is hardly meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from toolkit.asm import hints_messages, hints_preprocess
from toolkit.asm.diagnostics import Diagnostic, Span
from toolkit.asm.hints_addresses import bad_address, three_registers
from toolkit.asm.hints_habits import habit
from toolkit.asm.hints_names import (
    not_a_keyword,
    not_an_instruction,
    orphan_label,
    redefined,
    undefined_symbol,
)
from toolkit.asm.hints_operands import explain_missing_size, explain_mode, explain_operands
from toolkit.asm.hints_syntax import bracket, open_string_at, syntax, two_words
from toolkit.asm.hints_values import (
    high_byte,
    in_bss,
    negative_times,
    other_section,
    out_of_range,
    short_jump,
)
from toolkit.asm.hints_words import Context, Explanation, Written, nearest, take_apart, without_comment

__all__ = [
    "Context",
    "Explanation",
    "explain",
    "explain_diagnostic",
    "explain_preprocessor",
    "nearest",
    "remarks",
]

Table = tuple[tuple[re.Pattern[str], str, str], ...]
Rule = Callable[["re.Match[str]", Written, Context], "Explanation | None"]


def explain(nasm_message: str, line: str, context: Context | None = None) -> Explanation:
    """(message, help) for an error or warning whose nasm wording is ``nasm_message``; help may be empty.

    Never fails: a message without a rule is returned as it is.
    """
    context = context or Context()
    found = habit(line) if _may_be_habit(nasm_message) else None
    if found is not None:
        return found
    written = take_apart(line)
    for pattern, rule in _RULES:
        match = pattern.search(nasm_message)
        if match:
            explanation = rule(match, written, context)
            if explanation is not None:
                return explanation
    found = _from_table(hints_messages.MESSAGES, nasm_message)
    return found or explain_preprocessor(nasm_message, line, context.macros)


def explain_preprocessor(nasm_message: str, line: str, names: Iterable[str]) -> Explanation:
    """(message, help) for a message of the preprocessor; ``names``: the macros there are."""
    found = habit(line) if nasm_message.startswith("`#'") else None
    return found or _from_table(hints_preprocess.MESSAGES, nasm_message) or (nasm_message, "")


def _from_table(table: Table, nasm_message: str) -> Explanation | None:
    for pattern, message, help in table:
        match = pattern.fullmatch(nasm_message)
        if match:
            fields = match.groupdict("")
            return message.format(**fields), help.format(**fields)
    return None


def explain_diagnostic(diagnostic: Diagnostic, context: Context | None = None) -> Diagnostic:
    """The diagnostic with a message and help for a student, unless it already has words of its own."""
    if diagnostic.help or not diagnostic.nasm_message or diagnostic.message != diagnostic.nasm_message:
        return diagnostic
    line = diagnostic.expanded or diagnostic.source_line
    made = replace(context or Context(), in_macro=bool(diagnostic.trail))
    message, help = explain(diagnostic.nasm_message, line, made)
    span = diagnostic.span if diagnostic.expanded else _at_the_word(diagnostic)
    return replace(diagnostic, message=message, help=help, span=span)


def _at_the_word(diagnostic: Diagnostic) -> Span:
    """nasm takes a misspelt mnemonic as a label, and complains of what stands behind it."""
    written = take_apart(diagnostic.source_line)
    word = written.mnemonic or written.label
    place = diagnostic.source_line.find(word)
    if diagnostic.nasm_message != "parser: instruction expected" or not word or place < 0:
        return diagnostic.span
    return replace(diagnostic.span, column=place + 1, length=len(word))


_ABOUT_SYNTAX = re.compile(
    r"expression syntax error|instruction expected|not defined|expected after operand|label or instruction|"
    r"label alone|expecting \]|invalid combination|not a NASM keyword|operand type|unmatched|decorator"
)


def _may_be_habit(nasm_message: str) -> bool:
    return bool(_ABOUT_SYNTAX.search(nasm_message))


def remarks(line: str) -> list[Explanation]:
    """What nasm accepts without a word although it is hardly meant: (message, help) each."""
    found: list[Explanation] = []
    code = without_comment(line)
    empty = re.search(r"(?<![\w.$'\"])0[xX](?![\w.'\"])", re.sub(r"'[^']*'|\"[^\"]*\"", '""', code))
    if empty:
        text = empty.group()
        found.append(
            (
                f"`{text}' has no digits after it; it counts as 0",
                f"write the whole number, for example {text}10, or 0",
            )
        )
    return found


def _fixed(message: str, help: str = "") -> Rule:
    def rule(match: re.Match[str], written: Written, context: Context) -> Explanation:
        fields = {k: v or "" for k, v in match.groupdict().items()}
        fields |= {"word": written.mnemonic, "rest": written.rest}
        return message.format(**fields), help.format(**fields)

    return rule


_RULES: list[tuple[re.Pattern[str], Rule]] = [
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"operation size not specified", lambda m, w, c: explain_missing_size(w)),
        (r"mismatch in operand sizes|invalid combination of opcode", lambda m, w, c: explain_operands(w, c)),
        (
            r"instruction not supported in (?P<bits>\d+)-bit mode",
            lambda m, w, c: explain_mode(w, int(m.group("bits"))),
        ),
        (r"parser: instruction expected", not_an_instruction),
        (r"label alone on a line", orphan_label),
        (r"symbol `(?P<name>[^']*)' (?:not defined|undefined)", undefined_symbol),
        (r"label `(?P<name>[^']*)' (?:inconsistently )?redefined", redefined),
        (r"comma, (?:colon, )?decorator or end of line expected", two_words),
        (r"expression syntax error", syntax),
        (r"too many registers", three_registers),
        (r"invalid \d+-bit effective address|invalid effective address|beroset-p-", bad_address),
        (r"expecting \] at end", bracket),
        (r"invalid operand type", other_section),
        (r"short jump is out of range", short_jump),
        (
            r"(?:signed )?(?P<size>byte|word|dword|qword) (?:data|value|immediate|relocation) exceeds bounds",
            out_of_range,
        ),
        (r"TIMES value (?P<count>-?\d+) is negative", negative_times),
        (r"cannot use high (?:byte )?register in rex", high_byte),
        (r"attempt to initialize memory in BSS section `(?P<name>[^']*)'", in_bss),
        (r"attempt to initialize memory in (?:a )?(?P<name>nobits section)", in_bss),
        (r"`(?P<name>ptr|[Pp][Tt][Rr])' is not a NASM keyword", not_a_keyword),
        (
            r"division by zero",
            _fixed("the expression divides by zero", "change the divisor: it is worked out while assembling"),
        ),
        (
            r"label or instruction expected at start of line",
            _fixed(
                "the line doesn't begin with a label, an instruction or a directive",
                "start it with one of them; a comment starts with a semicolon",
            ),
        ),
        (
            r"comma expected after operand",
            _fixed("a comma is missing between two values", "write commas between the values of {word}"),
        ),
        (
            r"no operand for data declaration",
            _fixed("`{word}' has no value, so nothing is stored", "write for example: {word} 0"),
        ),
        (
            r"EQU not preceded by label",
            _fixed("`equ' needs a name before it", "write: NAME equ {rest}"),
        ),
        (
            r"symbol `(?P<name>[^']*)' (?:declared|also) .*",
            _fixed(
                "the symbol `{name}' is declared in two ways that exclude each other",
                "keep one of global, extern and static",
            ),
        ),
        (
            r"unterminated string \(missing `(?P<quote>.)'\)",
            lambda m, w, c: open_string_at(m.group("quote")),
        ),
        (
            r"attempt to define a local label before any non-local labels",
            _fixed(
                "a label that begins with a dot belongs to a full label before it, and there is none",
                "write a label without a dot first",
            ),
        ),
        (
            r"excess brackets in memory operand|unmatched \]",
            _fixed("the brackets of this operand don't match", "write one [ and one ] around the address"),
        ),
        (r"expecting `?\)'?", _fixed("a ) is missing in this expression", "each ( needs its )")),
    )
]
