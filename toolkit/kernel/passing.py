"""Looking at instructions of the main process in passing, without stopping the program: twenty times cheaper than a label."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from toolkit.machine.registers import RIP

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Thread

PassingObserver = Callable[[int, bool], bool]
"""Given the address of an instruction that is about to run, and whether the program stands still.

While it does not, the observer may do what `Machine.look_in_passing` allows; or it changes nothing and returns False, and is
called again when the program stands still, where it may do anything.
"""


class Passing:
    """The one observer of a run, if there is one: it is told of each arrival once, also where the instruction faults at first."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._addresses: frozenset[int] = frozenset()
        self._observer: PassingObserver = lambda address, stands: True

    def look(self, addresses: Collection[int], observer: PassingObserver) -> None:
        """Have the observer told of the instructions at these virtual addresses, and no other observer of any.

        Between runs, or while the program stands still.
        """
        self._addresses, self._observer = frozenset(addresses), observer
        self.place()

    def place(self) -> None:
        """Make the machine look at these addresses, and at no others."""
        self._kernel.machine.look_in_passing(self._addresses, self._passes if self._addresses else None)

    def held(self, thread: Thread) -> None:
        """The machine stopped in front of an instruction because the observer asked for it."""
        address = thread.registers[RIP]
        self._observer(address, True)
        thread.passed = address

    def begins_anew(self, thread: Thread) -> None:
        """An access of the instruction faulted, and the fault was resolved: when it runs again, it is told of already."""
        if self._addresses and thread.registers[RIP] in self._addresses:
            thread.passed = thread.registers[RIP]

    def _passes(self, address: int) -> bool:
        """What the machine asks: may the instruction run?"""
        thread = self._kernel.current
        if thread is None or thread.process is not self._kernel.processes.main:
            return True
        if thread.passed == address:
            thread.passed = None
            return True
        return self._observer(address, False)
