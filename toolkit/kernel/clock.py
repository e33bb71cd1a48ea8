"""Virtual time: it moves with instructions and system calls and jumps over sleeps, so two runs see the same times."""

from __future__ import annotations

NANOSECONDS = 1_000_000_000
DEFAULT_EPOCH = 1_700_000_000 * NANOSECONDS
INSTRUCTION = 1
"""Nanoseconds that one instruction takes."""
EVENT = 1_000
"""Nanoseconds that one entry into the kernel takes."""


class Clock:
    """`now` is the monotonic time in nanoseconds since the emulated computer started; `epoch` the start in Unix time."""

    __slots__ = ("epoch", "instructions", "now")

    def __init__(self, epoch: int = DEFAULT_EPOCH, uptime: int = 1_000 * NANOSECONDS) -> None:
        self.epoch = epoch
        self.now = uptime
        self.instructions = 0

    def advance(self, instructions: int) -> None:
        """Account for instructions that were executed."""
        self.instructions += instructions
        self.now += instructions * INSTRUCTION

    @property
    def realtime(self) -> int:
        """CLOCK_REALTIME in nanoseconds since 1970."""
        return self.epoch + self.now
