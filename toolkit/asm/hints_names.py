"""Words that are not what they should be: mnemonics, labels, symbols, keywords of another assembler."""

from __future__ import annotations

import re

from toolkit.asm.hints_words import (
    COMMON_MNEMONICS,
    DIRECTIVES,
    GENERAL_REGISTERS,
    SIZE_WORDS,
    Context,
    Explanation,
    Written,
    is_register,
    nearest,
)


def not_an_instruction(match: re.Match[str], written: Written, context: Context) -> Explanation:
    word = written.mnemonic or written.label
    mistaken = nearest(word, context.macros, COMMON_MNEMONICS, DIRECTIVES)
    exact = [m for m in context.macros if m.lower() == word.lower()]
    if exact:
        given = len(written.operands)
        return (
            f"the macro `{exact[0]}' is called with {given} argument{'' if given == 1 else 's'}, but it doesn't take that many",
            "look at the number behind its name in the %macro line, and give as many, with commas between them",
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


def orphan_label(match: re.Match[str], written: Written, context: Context) -> Explanation:
    word = written.mnemonic or written.label
    mistaken = nearest(word, COMMON_MNEMONICS, context.macros)
    meant_label = f"if it is a label, write a colon behind it: {word}:"
    if mistaken and mistaken.lower() != word.lower():
        return (
            f"`{word}' is no instruction, so nasm takes it as a label",
            f"did you mean `{mistaken}'? {meant_label}",
        )
    return f"`{word}' stands alone on its line and is taken as a label", meant_label


def undefined_symbol(match: re.Match[str], written: Written, context: Context) -> Explanation:
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
            f"did you mean the register {register}?{_written_right(written.text, name, register)}",
        )
    if symbol:
        help = f"did you mean `{symbol}'?{_written_right(written.text, name, symbol)}"
        if symbol.lower() == low:
            help += "\nupper and lower case differ in labels"
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


def _written_right(text: str, word: str, right: str) -> str:
    """`` write: …``, the line with ``right`` for ``word``; "" where the line spells it another way (``.local``)."""
    found = re.compile(rf"(?<![\w.$]){re.escape(word)}(?![\w.])")
    return f" write: {found.sub(lambda _: right, text.strip())}" if found.search(text) else ""


def redefined(match: re.Match[str], written: Written, context: Context) -> Explanation:
    name = match.group("name")
    if context.in_macro:
        return (
            f"the label `{name}' is defined more than once: by each use of the macro",
            f"two percent signs make a label of its own for each use: write %%{name} in the macro, wherever it is meant",
        )
    return (
        f"the label `{name}' is defined more than once",
        f"give each place a name of its own; inside a function use a local label with a dot: .{name.lstrip('.').lower()}",
    )


def not_a_keyword(match: re.Match[str], written: Written, context: Context) -> Explanation:
    return f"`{match.group('name')}' belongs to MASM, not to nasm", "remove it: a size word alone is enough"
