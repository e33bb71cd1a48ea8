"""A run that can be moved through: to any instruction, forwards or back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from toolkit.kernel.errors import SyscallError
from toolkit.kernel.outcome import Ending, Outcome

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Thread


class Timeline:
    """``begin`` makes a kernel in which the program is spawned and has executed nothing; always the same one.

    ``position`` counts the instructions executed, of all processes and threads together.
    """

    def __init__(self, begin: Callable[[], Kernel]) -> None:
        self._begin = begin
        self._kernel = begin()
        self.outcome: Outcome | None = None
        self._show_thread()

    def close(self) -> None:
        """Leave the machine clean."""
        self._kernel.close()

    @property
    def kernel(self) -> Kernel:
        """The computer as it is at this position."""
        return self._kernel

    @property
    def position(self) -> int:
        return self._kernel.instructions

    @property
    def thread(self) -> Thread:
        """The one that runs next, or the main one when all have ended."""
        current = self._kernel.current
        return current if current is not None else self._kernel.processes.main.threads[0]

    @property
    def registers(self) -> Mapping[str, int]:
        """General registers, rip and rflags: as they were just before the end, once it has ended."""
        return (
            self.outcome.registers if self.outcome is not None else self._kernel.machine.registers.as_dict()
        )

    def set_register(self, index: int, value: int) -> None:
        """By the hardware's number (rip 16, rflags 17). What is before this position stays as it was; going back forgets the change."""
        self._kernel.machine.registers.values[index] = value & (1 << 64) - 1

    def read(self, address: int, count: int) -> bytes | None:
        """Memory of the current process, None where it can't be read."""
        if self.outcome is not None:
            return None
        try:
            return bytes(self.thread.memory.read(address, count))
        except SyscallError:
            return None

    def write(self, address: int, data: bytes) -> bool:
        """Change memory of the current process, as a debugger does; False where nothing is mapped."""
        if self.outcome is not None:
            return False
        try:
            self.thread.memory.write(address, data)
        except SyscallError:
            return False
        return True

    def goto(self, position: int) -> None:
        """Move to where `position` instructions were executed, or to the end if there are fewer."""
        if position < self.position or (self.outcome is not None and position <= self.position):
            self._kernel.close()
            self._kernel, self.outcome = self._begin(), None
        if position > self.position and self.outcome is None:
            outcome = self._kernel.run(budget=position)
            self.outcome = None if outcome.ending is Ending.BUDGET else outcome
        self._show_thread()

    def step(self, count: int = 1) -> None:
        """Forwards by so many instructions."""
        self.goto(self.position + count)

    def back(self, count: int = 1) -> None:
        """Back by so many instructions, at most to the start. The end itself is one step behind the last instruction."""
        if self.outcome is not None and count == 1:
            self.goto_last()
        else:
            self.goto(max(0, self.position - count))

    def goto_last(self) -> None:
        """Before the instruction with which the run ended: one that faulted was not counted, a system call was."""
        end = self.position
        self.goto(end)
        if self.outcome is not None:
            self.goto(max(0, end - 1))

    def forward_to(self, addresses: Collection[int], limit: int | None = None) -> bool:
        """Forwards to an instruction at one of the addresses; False when the run ended, or ``limit`` was reached, before."""
        while self.outcome is None and (limit is None or self.position < limit):
            if not addresses and limit is None:
                self.goto(1 << 61)
                return False
            self.step()
            if self.outcome is None and self.registers["rip"] in addresses:
                return True
        return False

    def back_to(self, addresses: Collection[int]) -> bool:
        """Back to the latest earlier instruction at one of the addresses, else to the start and False."""
        end, found = self.position, None
        self.goto(0)
        while self.position < end:
            if self.registers["rip"] in addresses:
                found = self.position
            before = self.position
            self.step()
            if self.outcome is not None or self.position == before:
                break
        self.goto(found or 0)
        return found is not None

    def _show_thread(self) -> None:
        """Have the machine hold the registers of the thread that runs next."""
        if self.outcome is None:
            self._kernel.switch(self.thread)
