"""Every register nasm knows: its number, its operand classes and its size (x86/regs.dat)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.asm.instructions import operand_classes as classes


@dataclass(frozen=True, slots=True)
class Register:
    """``number`` is the hardware number, ``classes`` bits of ``operand_classes``; ``size`` in bytes, 0 where it varies."""

    name: str
    number: int
    classes: int
    size: int


def _table() -> dict[str, Register]:
    found: dict[str, Register] = {}

    def add(name: str, number: int, bits: int) -> None:
        size = classes.BYTES_OF_SIZE.get(bits & classes.SIZE_MASK, 0)
        found[name] = Register(name, number, bits, size)

    _add_general(add)
    for number, name in enumerate(("es", "cs", "ss", "ds", "fs", "gs")):
        add(name, number, classes.parse_operand(f"reg_{name}", False)[0])
    for number in (6, 7):
        add(f"segr{number}", number, classes.SEGMENT | classes.subclass(5))
    _add_numbered(add)
    return found


def _add_general(add: Callable[[str, int, int], None]) -> None:
    special = {0: classes.ACCUMULATOR, 1: classes.COUNTER, 2: classes.DATA}
    other = classes.GENERAL | classes.NOT_ACCUMULATOR
    for number, stem in enumerate(("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")):
        bits = special.get(number, other)
        add(stem[0] + "l" if number < 4 else stem + "l", number, bits | classes.BITS8)
        add(stem, number, bits | classes.BITS16)
        add("e" + stem, number, bits | classes.BITS32)
        add("r" + stem, number, bits | classes.BITS64)
    for number, name in enumerate(("ah", "ch", "dh", "bh"), 4):
        add(name, number, classes.HIGH_BYTE)
    for number in range(8, 16):
        for suffix, size in (
            ("b", classes.BITS8),
            ("w", classes.BITS16),
            ("d", classes.BITS32),
            ("", classes.BITS64),
        ):
            add(f"r{number}{suffix}", number, other | size)


def _add_numbered(add: Callable[[str, int, int], None]) -> None:
    for stem, count, bits in (
        ("cr", 16, classes.CONTROL),
        ("dr", 16, classes.DEBUG),
        ("tr", 8, classes.TEST),
        ("mm", 8, classes.MMX),
        ("tmm", 8, classes.TILE),
        ("bnd", 4, classes.BOUND),
    ):
        for number in range(count):
            add(f"{stem}{number}", number, bits)
    for number in range(8):
        add(f"st{number}", number, classes.X87_TOP if number == 0 else classes.X87)
        zero = classes.NUMBER_0 if number == 0 else 0
        add(f"k{number}", number, classes.OPMASK | zero)
    for stem, bits in (("xmm", classes.XMM), ("ymm", classes.YMM), ("zmm", classes.ZMM)):
        for number in range(32):
            low = classes.BELOW_16 if number < 16 else 0
            add(f"{stem}{number}", number, bits | low | (classes.NUMBER_0 if number == 0 else 0))


REGISTERS = _table()
