"""The words of an instruction line beside its mnemonic: sizes, prefixes, decorators, and questions about registers."""

from __future__ import annotations

from enum import IntEnum

from toolkit.asm.instructions import operand_classes as classes
from toolkit.asm.instructions.forms import (
    CPU_LATE_VEX,
    CPU_LEVEL_MASK,
    CPU_LEVELS,
    CPU_NO_EVEX,
    CPU_NO_VEX,
)
from toolkit.asm.instructions.registers import REGISTERS

# Size keyword → bytes (nasm manual 3.1 and 3.7).
SIZE_KEYWORDS = {
    "byte": 1,
    "word": 2,
    "dword": 4,
    "long": 4,
    "qword": 8,
    "tword": 10,
    "oword": 16,
    "yword": 32,
    "zword": 64,
}
SPECIAL_KEYWORDS = frozenset(("short", "near", "far", "strict", "to", "nosplit", "rel", "abs"))


class PrefixSlot(IntEnum):
    """An instruction has one prefix of each kind; their bytes come in this order (nasm's enum prefix_pos)."""

    WAIT = 0
    REPEAT = 1
    LOCK = 2
    SEGMENT = 3
    OPERAND_SIZE = 4
    ADDRESS_SIZE = 5
    ENCODING = 6


PREFIXES: dict[str, PrefixSlot] = {
    "wait": PrefixSlot.WAIT,
    **dict.fromkeys(
        ("rep", "repe", "repz", "repne", "repnz", "xacquire", "xrelease", "bnd", "nobnd"), PrefixSlot.REPEAT
    ),
    "lock": PrefixSlot.LOCK,
    **dict.fromkeys(("es", "cs", "ss", "ds", "fs", "gs", "segr6", "segr7"), PrefixSlot.SEGMENT),
    **dict.fromkeys(("o16", "o32", "o64", "osp"), PrefixSlot.OPERAND_SIZE),
    **dict.fromkeys(("a16", "a32", "a64", "asp"), PrefixSlot.ADDRESS_SIZE),
    **dict.fromkeys(("{rex}", "{evex}", "{vex}", "{vex3}", "{vex2}"), PrefixSlot.ENCODING),
}
DECORATORS = frozenset(
    (
        *("{z}", "{sae}", "{rn-sae}", "{rd-sae}", "{ru-sae}", "{rz-sae}"),
        *(f"{{k{number}}}" for number in range(1, 8)),
        *(f"{{1to{count}}}" for count in (2, 4, 8, 16, 32)),
    )
)

_CPU_NAMES = {
    **{name: name for name in ("8086", "186", "286", "386", "486")},
    **dict.fromkeys(("586", "pentium"), "PENT"),
    **dict.fromkeys(("686", "p6", "ppro", "pentiumpro", "p2"), "P6"),
    **dict.fromkeys(("p3", "katmai"), "KATMAI"),
    **dict.fromkeys(("p4", "willamette"), "WILLAMETTE"),
    "prescott": "PRESCOTT",
    **dict.fromkeys(("x64", "x86-64"), "X86_64"),
    **dict.fromkeys(("ia64", "ia-64", "itanium", "itanic", "merced"), "IA64"),
    "nehalem": "NEHALEM",
    "westmere": "WESTMERE",
    "sandybridge": "SANDYBRIDGE",
}


def parse_cpu(text: str) -> int:
    """The argument of the CPU directive as ``EncodingContext.cpu`` wants it (nasm manual 7.11).

    Raises ValueError with nasm's message for a word it does not know.
    """
    mask = 0
    for word in text.lower().replace(",", " ").split():
        name = word.lstrip("+-")
        absent = word.startswith("-")
        if name.startswith("no"):
            name, absent = name[2:], not absent
        if name in _CPU_NAMES:
            mask = mask & ~CPU_LEVEL_MASK | CPU_LEVELS[_CPU_NAMES[name]]
        elif name in ("default", "all", "any"):
            mask = CPU_LATE_VEX if name != "default" else 0
        elif name in ("evex", "vex"):
            bit = CPU_NO_EVEX if name == "evex" else CPU_NO_VEX
            mask = mask | bit if absent else mask & ~bit
        elif name == "latevex":
            mask = mask & ~CPU_LATE_VEX if absent else mask | CPU_LATE_VEX
        else:
            raise ValueError(f"unknown CPU type or flag '{word}'")
    return mask


_KINDS = (
    (classes.CLASS_GENERAL, "general"),
    (classes.CLASS_SEGMENT, "segment"),
    (classes.CLASS_X87, "x87"),
    (classes.CLASS_MMX, "mmx"),
    (classes.CLASS_XMM, "xmm"),
    (classes.CLASS_YMM, "ymm"),
    (classes.CLASS_ZMM, "zmm"),
    (classes.CLASS_OPMASK, "opmask"),
    (classes.CLASS_BOUND, "bound"),
    (classes.CLASS_TILE, "tile"),
)


def is_register(name: str) -> bool:
    """Whether ``name`` (lower case) is a register of any mode."""
    return name in REGISTERS


def is_prefix(name: str) -> bool:
    """Whether ``name`` (lower case, braces included) may stand before a mnemonic. ``times`` is the parser's."""
    return name in PREFIXES


def register_size(name: str) -> int:
    """The register's size in bytes, 0 where it has none (k0, st0, xmm0). Raises KeyError for another word."""
    return REGISTERS[name].size


def register_class(name: str) -> str:
    """general, segment, control, debug, test, x87, mmx, xmm, ymm, zmm, opmask, bound or tile. Raises KeyError."""
    bits = REGISTERS[name].classes
    for mask, kind in _KINDS:
        if bits & mask:
            return kind
    return {"c": "control", "d": "debug", "t": "test"}[name[0]]
