"""Turn nasm's insns.dat into ``forms.txt``, the instruction table this package reads.

``python -m toolkit.asm.instructions.compiler INSNS.DAT [FORMS.TXT]`` rewrites the table; a test repeats it and
compares. The result keeps nasm's notice, its order of forms (the first form that matches wins) and its wording
of operands, codes and flags; what insns.pl does while reading is done here once:

* conditional mnemonics (``Jcc``) become one mnemonic for each condition, the condition added to the opcode;
* optional operands (``xmmreg*``) become a second form without them, ``+`` in the roles standing for the operand before;
* comments, pseudo-instructions and the flags only nasm's disassembler reads are dropped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

CONDITIONS = {
    name: number
    for number, names in enumerate(
        (
            ("o",),
            ("no",),
            ("b", "c", "nae"),
            ("ae", "nb", "nc"),
            ("e", "z"),
            ("ne", "nz"),
            ("be", "na"),
            ("a", "nbe"),
            ("s",),
            ("ns",),
            ("p", "pe"),
            ("np", "po"),
            ("l", "nge"),
            ("ge", "nl"),
            ("le", "ng"),
            ("g", "nle"),
        )
    )
    for name in names
}
PSEUDO = re.compile(r"^(D[BWDQTOYZ]|RES[BWDQTOYZ]|INCBIN|EQU)$")
_LINE = re.compile(r"^(\S+)\s+(\S+)\s+(\[.*\]|\S+)\s+(\S+)$")
_DISASSEMBLER_ONLY = {"ND"}

Row = tuple[str, str, str, str]  # mnemonic, operands, codes, flags


def compile_table(source: str) -> str:
    """The text of ``forms.txt`` for the text of an insns.dat. Raises ValueError for a line it does not know."""
    notice = "\n".join(_notice(source))
    forms: dict[str, list[str]] = {}
    for row in _rows(source):
        for optional in _without_optional_operands(row):
            for mnemonic, operands, codes, flags in _conditions(optional):
                forms.setdefault(mnemonic.lower(), []).append(f" {operands} [{codes}] {flags}")
    blocks = ("\n".join([mnemonic, *lines]) for mnemonic, lines in forms.items())
    return notice + "\n\n" + "\n\n".join(blocks) + "\n"


def _notice(source: str) -> Iterator[str]:
    yield "; Compiled from nasm 2.16.01's insns.dat by toolkit.asm.instructions.compiler; do not edit."
    yield from takewhile(lambda line: line.startswith(";;"), source.splitlines())


def _rows(source: str) -> Iterator[Row]:
    for number, line in enumerate(source.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith(";"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"line {number} does not hold four fields: {line}")
        mnemonic, operands, codes, flags = match.groups()
        if operands == "ignore" or PSEUDO.match(mnemonic):
            continue
        kept = ",".join(flag for flag in flags.split(",") if flag not in _DISASSEMBLER_ONLY)
        yield mnemonic, operands, " ".join(codes.strip("[]").split()), kept


def _without_optional_operands(row: Row) -> Iterator[Row]:
    """The full form, then one form for each way to leave starred operands out (insns.pl's relaxed forms)."""
    mnemonic, operands, codes, flags = row
    words = operands.split(",")
    starred = [index for index, word in enumerate(words) if word.endswith("*")]
    words = [word.rstrip("*") for word in words]
    roles, _, rest = codes.partition(":")
    for chosen in range(1 << len(starred)):
        dropped = {index for bit, index in enumerate(starred) if chosen >> bit & 1}
        kept = ",".join(word for index, word in enumerate(words) if index not in dropped)
        letters = "".join("+" * (index in dropped) + letter for index, letter in enumerate(roles))
        yield mnemonic, kept, f"{letters}:{rest}" if starred else codes, flags


def _conditions(row: Row) -> Iterator[Row]:
    mnemonic, operands, codes, flags = row
    if "cc" not in mnemonic:
        yield row
        return
    for name, number in CONDITIONS.items():
        opcode = re.search(r"\b([0-9a-f]{2})\+c\b", codes)
        if opcode is None:
            raise ValueError(f"{mnemonic} has no opcode for a condition: {codes}")
        selected = codes.replace(opcode[0], f"{int(opcode[1], 16) ^ number:02x}")
        yield mnemonic.replace("cc", name), operands, selected, flags


def main(arguments: list[str]) -> None:
    """Compile ``arguments[0]`` (an insns.dat) into ``arguments[1]``, by default the table beside this module."""
    target = Path(arguments[1]) if len(arguments) > 1 else Path(__file__).with_name("forms.txt")
    source = Path(arguments[0]).read_text(encoding="utf-8")
    target.write_text(compile_table(source), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
