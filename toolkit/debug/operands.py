"""An instruction as it stands before it runs: its operands with the values that they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from toolkit.grading.registers import PARTS, read_register

Read = Callable[[int, int], bytes | None]
"""Memory: address and count → the bytes, None where it can't be read."""
Names = Callable[[int], str]
"""What lies at an address (``table+8``), empty where that has no name."""
_SIZES = {1: "byte", 2: "word", 4: "dword", 8: "qword", 10: "tword", 16: "oword"}
SMALL = 10_000


@dataclass(frozen=True, slots=True)
class Place:
    """An operand: a register, memory or a number. ``value`` is unsigned; None for what can't be read or is no integer."""

    text: str
    bits: int
    value: int | None
    register: str | None = None
    address: int | None = None

    def now(self, registers: Mapping[str, int], read: Read) -> int | None:
        """The value it has in another state."""
        if self.register in PARTS:
            return read_register(registers, self.register)[0]
        if self.address is not None:
            data = read(self.address, self.bits // 8)
            return None if data is None else int.from_bytes(data, "little")
        return self.value


@dataclass(frozen=True, slots=True)
class Instruction:
    """A decoded instruction at ``address``; ``mnemonic`` has no prefix in front, ``prefix`` may be ``rep``."""

    address: int
    size: int
    mnemonic: str
    prefix: str
    text: str
    bits: int
    operands: tuple[Place, ...]
    registers: Mapping[str, int]
    read: Read
    names: Names

    @property
    def next(self) -> int:
        """The address behind it."""
        return self.address + self.size

    @property
    def touches_memory(self) -> bool:
        """Whether its memory operands are read or written at all."""
        if self.prefix:
            return bool(self.register("rcx" if self.bits == 64 else "ecx").value)
        return self.mnemonic not in ("lea", "nop", "endbr64") and not self.mnemonic.startswith("prefetch")

    def register(self, name: str) -> Place:
        """One of the registers as a place."""
        value, bits = read_register(self.registers, name)
        return Place(name, bits, value, register=name)

    def memory(self, address: int, size: int) -> Place:
        """Memory as a place, ``size`` in bytes."""
        return _memory(address, size, self.read, self.names)

    def where(self, address: int) -> str:
        """``again (0x401005)``."""
        name = self.names(address)
        return f"{name} ({address:#x})" if name else f"{address:#x}"


@cache
def _engine(bits: int) -> Any:
    import capstone

    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64 if bits == 64 else capstone.CS_MODE_32)
    engine.detail = True
    return engine


def decode(
    code: bytes, registers: Mapping[str, int], read: Read, names: Names, bits: int = 64
) -> Instruction | None:
    """The instruction at rip, None when the bytes are none."""
    address = registers["rip"]
    found = next(_engine(bits).disasm(code, address, 1), None)
    if found is None:
        return None
    *prefix, mnemonic = found.mnemonic.split()
    places = tuple(_place(found, operand, registers, read, names) for operand in found.operands)
    text = f"{found.mnemonic} {found.op_str}".strip()
    shown = " ".join(each for each in prefix if each.startswith("rep"))
    return Instruction(address, found.size, mnemonic, shown, text, bits, places, registers, read, names)


def _place(found: Any, operand: Any, registers: Mapping[str, int], read: Read, names: Names) -> Place:
    import capstone

    if operand.type == capstone.x86.X86_OP_IMM:
        bits = operand.size * 8
        return Place(str(operand.imm), bits, operand.imm & (1 << bits) - 1)
    if operand.type == capstone.x86.X86_OP_MEM:
        return _memory(effective_address(found, operand.mem, registers), operand.size, read, names)
    name = found.reg_name(operand.reg)
    value = read_register(registers, name)[0] if name in PARTS else None
    return Place(name, operand.size * 8, value, register=name)


def effective_address(found: Any, memory: Any, registers: Mapping[str, int]) -> int:
    """base + index * scale + displacement + the segment's base (Intel SDM vol. 1, 3.7.5)."""
    address: int = memory.disp
    for number, scale in ((memory.base, 1), (memory.index, memory.scale)):
        name = found.reg_name(number) if number else ""
        if name in ("rip", "eip"):
            address += registers["rip"] + found.size
        elif name in PARTS:
            address += read_register(registers, name)[0] * scale
    address &= (1 << found.addr_size * 8) - 1
    segment = found.reg_name(memory.segment) if memory.segment else ""
    return address + registers.get(f"{segment}_base", 0) & (1 << 64) - 1


def _memory(address: int, size: int, read: Read, names: Names) -> Place:
    data = read(address, size)
    where = names(address) or f"{address:#x}"
    value = None if data is None or size > 8 else int.from_bytes(data, "little")
    return Place(f"{_SIZES.get(size, 'memory')} [{where}]", size * 8, value, address=address)


def number(value: int, bits: int = 64) -> str:
    """``12``, ``-1``, ``0x402000``: small numbers in decimal, as signed ones, and others in hexadecimal."""
    if value < SMALL:
        return str(value)
    negative = value - (1 << bits)
    return str(negative) if negative > -SMALL else f"{value:#x}"
