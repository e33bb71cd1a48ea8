"""The instruction table: the forms of each mnemonic, parsed when the mnemonic is first asked for.

``forms.txt`` holds them as text in nasm's order; see ``compiler``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from toolkit.asm.instructions import operand_classes as classes
from toolkit.asm.instructions.codes import Step, parse_codes

# nasm's cpu levels in rising order (x86/insns-iflags.ph); a level is a bit, so that levels compare as numbers.
CPU_LEVELS = {
    name: 1 << bit
    for bit, name in enumerate(
        (
            "8086",
            "186",
            "286",
            "386",
            "486",
            "PENT",
            "P6",
            "KATMAI",
            "WILLAMETTE",
            "PRESCOTT",
            "X86_64",
            "NEHALEM",
            "WESTMERE",
            "SANDYBRIDGE",
            "FUTURE",
            "IA64",
        )
    )
}
CPU_LEVEL_MASK = 0xFFFF
# What the CPU directive may take away or add beside the level.
CPU_NO_EVEX = 1 << 16
CPU_NO_VEX = 1 << 17
CPU_LATE_VEX = 1 << 18
_ASSUMED_SIZES = {
    "SB": classes.BITS8,
    "SW": classes.BITS16,
    "SD": classes.BITS32,
    "SQ": classes.BITS64,
    "SO": classes.BITS128,
    "SY": classes.BITS256,
    "SZ": classes.BITS512,
    "ANYSIZE": classes.SIZE_MASK,
    "SIZE": -1,  # the mode's size
}


@dataclass(frozen=True)
class Form:
    """One line of the table: what operands it takes and how they become bytes.

    ``classes``, ``decorators`` and ``elements`` hold one entry for each operand (see ``operand_classes``);
    ``words`` is their text. ``assumed_size`` is the size of operands written without one, -1 for the mode's,
    for the operand ``assumed_operand`` alone unless that is None. ``level`` is the cpu it needs.
    """

    mnemonic: str
    words: tuple[str, ...]
    code_text: str
    flags: frozenset[str]
    classes: tuple[int, ...]
    decorators: tuple[int, ...]
    elements: tuple[int, ...]
    evex: bool
    vex: bool
    level: int
    assumed_size: int
    assumed_operand: int | None
    relaxable: str  # "jcc8" or "jmp8": only for a target in reach of a byte
    kinds: tuple[int, ...]  # ``classes`` without sizes and register sets
    late: bool  # a VEX form that yields to the EVEX one

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """How to encode it."""
        return parse_codes(self.code_text)

    def __str__(self) -> str:
        return " ".join((self.mnemonic, ", ".join(self.words)))


@cache
def _blocks() -> dict[str, str]:
    text = Path(__file__).with_name("forms.txt").read_text(encoding="utf-8")
    blocks = (block.partition("\n") for block in text.split("\n\n")[1:])
    return {name: lines for name, _, lines in blocks}


def mnemonics() -> tuple[str, ...]:
    """Every mnemonic of nasm 2.16.01's table in lower case, in its order."""
    return tuple(_blocks())


def is_mnemonic(name: str) -> bool:
    """Whether ``name`` (lower case) is an instruction; pseudo-instructions such as db and resb are not."""
    return name in _blocks()


@cache
def forms(mnemonic: str) -> tuple[Form, ...]:
    """The mnemonic's forms in nasm's order of preference; empty when there is no such instruction."""
    return tuple(_parse_form(mnemonic, line) for line in _blocks().get(mnemonic, "").splitlines())


@cache
def forms_by_count(mnemonic: str, count: int) -> tuple[Form, ...]:
    """The forms that take ``count`` operands."""
    return tuple(form for form in forms(mnemonic) if len(form.classes) == count)


def _parse_form(mnemonic: str, line: str) -> Form:
    operands, _, rest = line.strip().partition(" [")
    code_text, _, flag_text = rest.partition("] ")
    flags = frozenset(flag_text.split(","))
    words = () if operands == "void" else tuple(operands.replace(":", "|colon,").split(","))
    evex = "evex." in code_text
    # insns.pl wants white space before evex; a few forms have none and so lack registers 16 to 31.
    upper = evex and re.search(r"(^|\s)evex\.", code_text) is not None
    parsed = [classes.parse_operand(word, upper) for word in words]
    relaxable = next((word for word in ("jcc8", "jmp8") if word in code_text), "")
    assumed = next((size for name, size in _ASSUMED_SIZES.items() if name in flags), 0)
    return Form(
        mnemonic,
        words,
        code_text,
        flags,
        tuple(entry[0] for entry in parsed),
        tuple(entry[1] for entry in parsed),
        tuple(entry[2] for entry in parsed),
        evex,
        not evex and ("vex." in code_text or "xop." in code_text),
        sum(CPU_LEVELS[flag] for flag in flags if flag in CPU_LEVELS),
        assumed,
        # nasm takes the number of the AR flag's bit for the operand's: AR2 names an operand that no form has.
        next((number for name, number in (("AR0", 0), ("AR1", 1), ("AR2", 3)) if name in flags), None),
        relaxable,
        tuple(entry[0] & ~(classes.SIZE_MASK | classes.REGISTER_SET_MASK) for entry in parsed),
        "LATEVEX" in flags,
    )
