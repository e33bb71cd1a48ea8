"""What the program did last: the instructions that last wrote each register, out of the blocks the meter remembers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, lru_cache

from toolkit.machine import decode

LOOK_BACK = 4000  # instructions; the meter's ring holds more blocks than that
WRITES_RESULT = ("syscall", "sysenter", "int")
"""Instructions after which the kernel has written RAX."""


@dataclass(frozen=True, slots=True)
class Past:
    """An instruction that was executed: where, its bytes, and how long ago (1: it was the last one)."""

    address: int
    code: bytes
    ago: int


@dataclass(frozen=True, slots=True)
class Trail:
    """The last instruction, the last that wrote each general register (by its 64-bit name), and how many were looked at."""

    last: Past | None = None
    writers: dict[str, Past] = field(default_factory=dict)
    length: int = 0


def look_back(blocks: Iterable[tuple[int, bytes, int]], bits: int) -> Trail:
    """Search blocks (address, code, number of instructions), the latest first, for the last writer of each register."""
    last: Past | None = None
    writers: dict[str, Past] = {}
    length = 0
    for address, code, count in blocks:
        if length + count > LOOK_BACK or len(writers) == len(decode.GENERAL_NAMES):
            break
        final, written = writes(code, bits)
        if last is None and final:
            last = Past(address + len(code) - len(final), final, length + 1)
        for register, (index, offset, instruction) in written.items():
            writers.setdefault(register, Past(address + offset, instruction, length + count - index))
        length += count
    return Trail(last, writers, length)


@lru_cache(maxsize=1 << 10)
def writes(code: bytes, bits: int) -> tuple[bytes, dict[str, tuple[int, int, bytes]]]:
    """A block's last instruction, and of the last write to each register the index, offset and bytes of the instruction."""
    written: dict[str, tuple[int, int, bytes]] = {}
    final, start = b"", 0
    for index, (instruction, end) in enumerate(decode.instructions(code, bits)):
        final = code[start:end]
        if instruction is not None:
            names = {instruction.reg_name(register) for register in instruction.regs_access()[1]}
            if instruction.mnemonic in WRITES_RESULT:
                names.add("rax")
            for name in names & wide_names().keys():
                written[wide_names()[name]] = index, start, final
        start = end
    return final, written


@cache
def wide_names() -> dict[str, str]:
    """Every name of a general register or a part of one, with that of the 64-bit register."""
    names = {name: decode.GENERAL_NAMES[number] for name, number in decode.narrow_names().items()}
    for name in ("rax", "rcx", "rdx", "rbx"):
        names |= {name[1] + part: name for part in "lh"}
    return names | {f"{name[1:]}l": name for name in ("rsp", "rbp", "rsi", "rdi")}
