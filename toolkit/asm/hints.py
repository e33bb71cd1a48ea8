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
from toolkit.asm.hints_habits import habit
from toolkit.asm.hints_operands import explain_missing_size, explain_mode, explain_operands
from toolkit.asm.hints_words import (
    COMMON_MNEMONICS,
    DIRECTIVES,
    GENERAL_REGISTERS,
    SEGMENT_REGISTERS,
    SIZE_WORDS,
    VECTOR_REGISTERS,
    Context,
    Explanation,
    Written,
    free_register,
    is_register,
    nearest,
    register_size,
    take_apart,
    without_comment,
)
from toolkit.asm.source import Diagnostic

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
    return _from_table(hints_preprocess.MESSAGES, nasm_message) or (nasm_message, "")


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
    message, help = explain(diagnostic.nasm_message, line, context)
    return replace(diagnostic, message=message, help=help)


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


# ---- words that are not what they should be


def _not_an_instruction(match: re.Match[str], written: Written, context: Context) -> Explanation:
    word = written.mnemonic or written.label
    mistaken = nearest(word, context.macros, COMMON_MNEMONICS, DIRECTIVES)
    exact = [m for m in context.macros if m.lower() == word.lower()]
    if exact:
        given = len(written.operands)
        return (
            f"the macro `{exact[0]}' is called with {given} argument{'' if given == 1 else 's'}, but it doesn't take that many",
            "look at the number behind its name in the %macro line, and give as many arguments, with commas between them",
        )
    if is_register(word):
        return (
            f"a line can't begin with the register {word}: it begins with a label or an instruction",
            f"to change it write for example: mov {word}, 1",
        )
    if word.endswith(":") or re.fullmatch(r"\d\w*", word):
        return (
            f"`{word}' is no label: names begin with a letter, an underscore or a dot",
            "choose another name",
        )
    if mistaken is None:
        mistaken = _nearest_mnemonic(word)
    if mistaken and not mistaken.startswith("%"):
        rest = f" {written.rest}" if written.rest else ""
        is_macro = mistaken in context.macros and mistaken not in DIRECTIVES
        kind = "macro" if is_macro else "directive" if mistaken in DIRECTIVES else "instruction"
        return (
            f"there is no instruction `{word}'",
            f"did you mean the {kind} `{mistaken}'? write: {mistaken}{rest}",
        )
    return (
        f"there is no instruction, directive or macro `{word}'",
        f"if it is your macro, define it before this line with %macro, or %include its file;\n"
        f"if it is a label, write a colon behind it: {word}:",
    )


def _nearest_mnemonic(word: str) -> str | None:
    from toolkit.asm.instructions import mnemonics

    return nearest(word, mnemonics())


def _orphan_label(match: re.Match[str], written: Written, context: Context) -> Explanation:
    word = written.mnemonic or written.label
    mistaken = nearest(word, COMMON_MNEMONICS, context.macros)
    meant_label = f"if it is a label, write a colon behind it: {word}:"
    if mistaken and mistaken.lower() != word.lower():
        return (
            f"`{word}' is no instruction, so nasm takes it as a label",
            f"did you mean `{mistaken}'? {meant_label}",
        )
    return f"`{word}' stands alone on its line and is taken as a label", meant_label


def _undefined_symbol(match: re.Match[str], written: Written, context: Context) -> Explanation:
    name = match.group("name")
    low = name.lower()
    hexadecimal = re.fullmatch(r"([a-f][0-9a-f]*)h", low)
    if hexadecimal:
        return (
            f"`{name}' is read as a name: a hexadecimal number must begin with a digit",
            f"write 0x{hexadecimal.group(1)} (or 0{name})",
        )
    if re.fullmatch(r"x[0-9a-f]+", low):
        return f"`{name}' is read as a name: a hexadecimal number starts with 0x", f"write 0{low}"
    register = nearest(name, GENERAL_REGISTERS) if len(name) <= 5 else None
    symbol = nearest(name, context.symbols, context.macros)
    swapped = register and sorted(register) == sorted(low)
    if register and (swapped or not symbol):
        return (
            f"`{name}' is neither a register nor a label of this program",
            f"did you mean the register {register}?",
        )
    if symbol:
        help = f"did you mean `{symbol}'?"
        if symbol.lower() == low:
            help += " (upper and lower case differ in labels)"
        return f"the symbol `{name}' is not defined", help
    size = nearest(name, SIZE_WORDS) if len(name) > 3 else None
    if size and re.search(rf"\b{re.escape(name)}\s*\[", written.text):
        return f"`{name}' is neither a size word nor a label", f"did you mean `{size}'?"
    if name.startswith("."):
        return (
            f"the local label `{name}' is not defined under the label it is used below",
            f"a name that begins with a dot belongs to the last full label before it: define `{name}:' there",
        )
    return (
        f"the symbol `{name}' is not defined",
        f"define it with `{name}:' before an instruction, `{name} db …' in a data section or `{name} equ …';\n"
        f"if another file defines it, write: extern {name}",
    )


def _redefined(match: re.Match[str], written: Written, context: Context) -> Explanation:
    name = match.group("name")
    return (
        f"the label `{name}' is defined more than once",
        f"give each place a name of its own; inside a function use a local label with a dot: .{name.lstrip('.').lower()}",
    )


def _two_words(match: re.Match[str], written: Written, context: Context) -> Explanation:
    pair = re.search(r"([\w.$\]]+)\s+([\w.$\[\"']+.*)", written.rest)
    first = written.operands[0].text if written.operands else ""
    if pair and first and " " in first and not first.startswith("["):
        left, right = first.split(None, 1)
        if left.lower() in SIZE_WORDS:
            return (
                f"after the size word `{left}' an address in brackets or a register is expected",
                f"write: {written.mnemonic} {left} [{right}]",
            )
        return (
            f"a comma is missing between the operands `{left}' and `{right}'",
            f"write: {written.mnemonic} {left}, {right}",
        )
    return (
        "after an operand nasm expects a comma or the end of the line",
        "separate operands with commas, and start a comment with a semicolon",
    )


def _syntax(match: re.Match[str], written: Written, context: Context) -> Explanation:
    text = written.text
    for quote in "\"'`":
        bare = re.sub(r"'[^']*'|\"[^\"]*\"|`(?:[^`\\]|\\.)*`", "", text)
        if quote in bare:
            return _open_string_at(quote)
    digits = re.search(r"(?<![\w.$])(\d[0-9]*[a-zA-Z_]\w*)", re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`", "", text))
    if digits and not re.fullmatch(
        r"0[xh][0-9a-fA-F_]+|[0-9a-fA-F_]+[hH]|0[by][01_]+|[01_]+[by]|0[oq][0-7_]+", digits.group(1), re.I
    ):
        word = digits.group(1)
        fixed = f"0x{word}" if re.fullmatch(r"[0-9a-fA-F]+", word) else ""
        return (
            f"`{word}' is neither a number nor a name: a number has only digits, a name doesn't begin with one",
            f"for a hexadecimal number write {fixed}"
            if fixed
            else "write the number, or choose a name that begins with a letter",
        )
    if text.rstrip().endswith(","):
        return "an operand is missing after the last comma", "write it, or remove the comma"
    if re.search(r",\s*,", text):
        return "an operand is missing between two commas", "write it, or remove one comma"
    if text.count("(") != text.count(")"):
        return "the parentheses of this expression don't match", "each ( needs its )"
    if re.search(r"[-+*/|&^]\s*(?:[,\])]|$)", written.rest):
        return (
            "an operator at the end of an expression has nothing to work on",
            "write what it should be applied to",
        )
    return (
        "this expression can't be read",
        "an operand is a register, [an address], a label, a number, or a sum of labels and numbers",
    )


def _open_string_at(quote: str) -> Explanation:
    return (
        f"a string opened with {quote} is not closed on this line",
        f"write {quote} at its end; for a quote inside a string use the other kind around it",
    )


# ---- addresses


def _bad_address(match: re.Match[str], written: Written, context: Context) -> Explanation:
    inside = next((m.group(1) for m in re.finditer(r"\[([^\]]*)\]", written.text)), "")
    scale = re.search(r"\b(\w+)\s*\*\s*(\d+)|(\d+)\s*\*\s*([a-z]\w*)", inside)
    if scale:
        register = scale.group(1) or scale.group(4)
        factor = scale.group(2) or scale.group(3)
        if register.lower() in ("rsp", "esp", "rip"):
            return (
                f"{register} can't be multiplied in an address: the machine has no encoding for it as index",
                f"copy it to another register first: mov {free_register(written.text)}, {register}",
            )
        if factor not in ("1", "2", "4", "8"):
            return (
                f"an index can be multiplied by 1, 2, 4 or 8 only, not by {factor}",
                f"multiply first: imul {register}, {register}, {factor} and use [… + {register}]",
            )
    registers = [w for w in re.findall(r"[A-Za-z]\w*", inside) if is_register(w)]
    sizes = {register_size(w) for w in registers} - {0}
    if len(sizes) > 1:
        return (
            f"the registers of one address must have the same size: {', '.join(registers)}",
            "use 64-bit registers (rax, rbx …) inside the brackets",
        )
    if any(w.lower() in SEGMENT_REGISTERS or w.lower() in VECTOR_REGISTERS for w in registers):
        return (
            f"[{inside}] uses a register that can't hold an address",
            "use 64-bit general registers inside the brackets",
        )
    if registers and all(len(w) == 2 and w[-1].lower() in "lh" for w in registers):
        return (
            f"[{inside}] uses an 8-bit register, which can't hold an address",
            "use 64-bit registers inside the brackets",
        )
    if re.search(r"-\s*[a-z]", inside):
        return (
            f"[{inside}] subtracts a register; the machine can only add registers",
            "negate it first (neg), or subtract before the access",
        )
    return (
        f"the machine can't form the address [{inside}]",
        "an address is at most: one register + one register times 1, 2, 4 or 8 + a number or label",
    )


def _three_registers(match: re.Match[str], written: Written, context: Context) -> Explanation:
    inside = next((m.group(1) for m in re.finditer(r"\[([^\]]*)\]", written.text)), "")
    registers = [w for w in re.findall(r"[A-Za-z]\w*", inside) if is_register(w)]
    first = registers[0] if registers else "rax"
    rest = "+".join(registers[1:]) or "…"
    return (
        f"[{inside}] adds {len(registers) or 'too many'} registers; the machine can add two",
        f"add before the access: lea {first}, [{first}+{registers[1] if len(registers) > 1 else 'rbx'}] and then use [{first}+{rest.partition('+')[2] or rest}]",
    )


def _bracket(match: re.Match[str], written: Written, context: Context) -> Explanation:
    text = written.text
    if text.count("[") > text.count("]"):
        return "the bracket [ is never closed", f"write: {text.strip()}]"
    words = re.search(r"\[\s*([A-Za-z]\w*)\s+([\w.$]+)", text)
    if words:
        keyword = nearest(words.group(1), ("rel", "abs", *SIZE_WORDS))
        if keyword:
            return (
                f"`{words.group(1)}' can't stand before `{words.group(2)}' inside the brackets",
                f"did you mean `{keyword}'? write: [{keyword} {words.group(2)}]",
            )
        return (
            f"an operator is missing between `{words.group(1)}' and `{words.group(2)}' in the brackets",
            f"write for example: [{words.group(1)} + {words.group(2)}]",
        )
    return (
        "what stands in the brackets is no address",
        "write registers, labels and numbers joined by +, - and *",
    )


# ---- values


_RANGES = {1: (-128, 255), 2: (-32768, 65535), 4: (-(2**31), 2**32 - 1)}


def _out_of_range(match: re.Match[str], written: Written, context: Context) -> Explanation:
    size = {"byte": 1, "word": 2, "dword": 4, "qword": 8}.get(match.group("size"), 4)
    signed = "signed" in match.group(0)
    numbers = [o.text for o in written.operands if o.kind == "number"]
    what = numbers[-1] if numbers else "the value"
    if written.mnemonic.lower() in ("jmp", "loop") or written.mnemonic.lower().startswith("j"):
        return "the jump is too far for its short form", "leave out `short'"
    if signed and size == 4:
        return (
            f"{what} doesn't fit: instructions other than mov hold at most a signed 32-bit number, widened to 64 bits",
            f"load it first: mov rcx, {what}\n               {written.mnemonic} {written.operands[0].text if written.operands else 'rax'}, rcx",
        )
    low, high = _RANGES.get(size, (-(2**63), 2**64 - 1))
    return (
        f"{what} doesn't fit into {size} byte{'' if size == 1 else 's'} ({low} to {high}); only its low bits are kept",
        "use a larger register or data size, or a smaller number",
    )


def _negative_times(match: re.Match[str], written: Written, context: Context) -> Explanation:
    return (
        f"`times' can't repeat something {match.group('count')} times",
        "the count is often SIZE-($-$$): then what comes before is already longer than SIZE",
    )


def _high_byte(match: re.Match[str], written: Written, context: Context) -> Explanation:
    high = next((o.text for o in written.operands if o.text.lower() in ("ah", "bh", "ch", "dh")), "ah")
    return (
        f"{high} can't be used together with r8 to r15, sil, dil, spl, bpl or a 64-bit operand: "
        "their REX prefix gives its code another meaning",
        f"use {high[0]}l instead of {high}, or go through a register such as al, bl, cl or dl",
    )


def _fixed(message: str, help: str = "") -> Rule:
    def rule(match: re.Match[str], written: Written, context: Context) -> Explanation:
        fields = {k: v or "" for k, v in match.groupdict().items()}
        fields |= {"word": written.mnemonic, "rest": written.rest}
        return message.format(**fields), help.format(**fields)

    return rule


def _in_bss(match: re.Match[str], written: Written, context: Context) -> Explanation:
    sizes = {"db": "resb", "dw": "resw", "dd": "resd", "dq": "resq"}
    reserve = sizes.get(written.mnemonic.lower(), "resb")
    label = f"{written.label} " if written.label else ""
    return (
        f"`{written.mnemonic}' gives a value, but {match.group('name')} holds no values: it is only filled with zeros at the start",
        f"reserve space with: {label}{reserve} 1\nor move the line to section .data",
    )


def _short_jump(match: re.Match[str], written: Written, context: Context) -> Explanation:
    target = written.rest.replace("short", "").strip()
    return (
        f"`{written.mnemonic} short' reaches at most 127 bytes ahead and 128 back; {target or 'the target'} is further away",
        f"write: {written.mnemonic} {target}"
        if not written.mnemonic.lower().startswith("loop")
        else "use dec rcx and jnz instead",
    )


def _not_a_keyword(match: re.Match[str], written: Written, context: Context) -> Explanation:
    return f"`{match.group('name')}' belongs to MASM, not to nasm", "remove it: a size word alone is enough"


_RULES: list[tuple[re.Pattern[str], Rule]] = [
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"operation size not specified", lambda m, w, c: explain_missing_size(w)),
        (r"mismatch in operand sizes|invalid combination of opcode", lambda m, w, c: explain_operands(w, c)),
        (
            r"instruction not supported in (?P<bits>\d+)-bit mode",
            lambda m, w, c: explain_mode(w, int(m.group("bits"))),
        ),
        (r"parser: instruction expected", _not_an_instruction),
        (r"label alone on a line", _orphan_label),
        (r"symbol `(?P<name>[^']*)' (?:not defined|undefined)", _undefined_symbol),
        (r"label `(?P<name>[^']*)' (?:inconsistently )?redefined", _redefined),
        (r"comma, (?:colon, )?decorator or end of line expected", _two_words),
        (r"expression syntax error", _syntax),
        (r"too many registers", _three_registers),
        (r"invalid \d+-bit effective address|invalid effective address|beroset-p-", _bad_address),
        (r"expecting \] at end", _bracket),
        (r"short jump is out of range", _short_jump),
        (
            r"(?:signed )?(?P<size>byte|word|dword|qword) (?:data|value|immediate|relocation) exceeds bounds",
            _out_of_range,
        ),
        (r"TIMES value (?P<count>-?\d+) is negative", _negative_times),
        (r"cannot use high (?:byte )?register in rex", _high_byte),
        (r"attempt to initialize memory in BSS section `(?P<name>[^']*)'", _in_bss),
        (r"attempt to initialize memory in (?:a )?(?P<name>nobits section)", _in_bss),
        (r"`(?P<name>ptr|[Pp][Tt][Rr])' is not a NASM keyword", _not_a_keyword),
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
            lambda m, w, c: _open_string_at(m.group("quote")),
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
