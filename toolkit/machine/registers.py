"""The general registers in one array that the engine reads and writes in a single call."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

NAMES = (
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
    "rip", "rflags",
)  # fmt: skip
(RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, RIP, RFLAGS) = range(18)

MASK = (1 << 64) - 1


class Registers:
    """RAX … R15 in hardware order, then RIP and RFLAGS: `values[RAX]`, or by name `registers["rax"]`.

    `values` is a plain array of unsigned 64-bit numbers: a negative or larger Python integer is reduced
    modulo 2^64 when it is stored. What is written here reaches the CPU at the next `run`.
    """

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values = (ctypes.c_uint64 * len(NAMES))()

    def __getitem__(self, name: str) -> int:
        return self.values[NAMES.index(name)]

    def __setitem__(self, name: str, value: int) -> None:
        self.values[NAMES.index(name)] = value & MASK

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(zip(NAMES, self.values, strict=True))

    def as_dict(self) -> dict[str, int]:
        """A copy, by name."""
        return dict(self)
