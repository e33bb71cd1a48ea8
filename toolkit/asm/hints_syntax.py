"""Lines that can't be read: missing commas, operands, quotes and brackets."""

from __future__ import annotations

import re

from toolkit.asm.hints_words import SIZE_WORDS, Context, Explanation, Written, nearest


def two_words(match: re.Match[str], written: Written, context: Context) -> Explanation:
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


def syntax(match: re.Match[str], written: Written, context: Context) -> Explanation:
    text = written.text
    for quote in "\"'`":
        bare = re.sub(r"'[^']*'|\"[^\"]*\"|`(?:[^`\\]|\\.)*`", "", text)
        if quote in bare:
            return open_string_at(quote)
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


def open_string_at(quote: str) -> Explanation:
    return (
        f"a string opened with {quote} is not closed on this line",
        f"write {quote} at its end; for a quote inside a string use the other kind around it",
    )


def bracket(match: re.Match[str], written: Written, context: Context) -> Explanation:
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
