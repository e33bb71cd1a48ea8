"""A run that can be moved through: to any instruction, forwards or back."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from toolkit.kernel.errors import SyscallError
from toolkit.kernel.moments import Moment, Stop
from toolkit.kernel.outcome import Ending, Outcome
from toolkit.kernel.saving import Saved, restore, save, stretch_of

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Thread

Found = TypeVar("Found")
Movement = Generator[None, None, Found]
"""A way through the run, in pieces of about PIECE seconds: advance it until it is exhausted, or give it up on the way."""
Wanted = Callable[[Mapping[str, int]], bool]
"""Whether an arrival at a breakpoint counts, by the registers."""

PIECE = 0.02  # seconds
NEAR = 1_000  # instructions
MOST_INSTRUCTIONS = 1 << 60
SPACING = 500_000  # instructions between saved states, at first
MOST_SAVED = 64
SMALLEST, LARGEST = 1_000, 1 << 24  # instructions of a piece


class Timeline:
    """Going back is a new run from the start, or from a state that was saved since the kernel was last entered.

    ``begin`` makes a kernel in which the program is spawned and has executed nothing; always the same one.

    ``position`` counts the instructions executed, of all processes and threads together. Breakpoints are those of the
    main process.
    """

    def __init__(self, begin: Callable[[], Kernel]) -> None:
        self._begin = begin
        self._kernel = begin()
        self._piece = SMALLEST
        self._saved: list[Saved] = []
        self._spacing = SPACING
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
        self._saved.clear()
        self._kernel.machine.registers.values[index] = value & (1 << 64) - 1

    def read(self, address: int, count: int) -> bytes | None:
        """Memory of the current process, None where it can't be read. Looking changes nothing."""
        return None if self.outcome is not None else self.thread.memory.peek(address, count)

    def write(self, address: int, data: bytes) -> bool:
        """Change memory of the current process, as a debugger does; False where nothing is mapped."""
        if self.outcome is not None:
            return False
        self._saved.clear()
        try:
            self.thread.memory.write(address, data)
        except SyscallError:
            return False
        return True

    # -- movements at once

    def goto(self, position: int) -> None:
        """Move to where `position` instructions were executed, or to the end if there are fewer."""
        finish(self.going_to(position))

    def step(self, count: int = 1) -> None:
        """Forwards by so many instructions."""
        self.goto(self.position + count)

    def back(self, count: int = 1) -> None:
        """Back by so many instructions, at most to the start. The end itself is one step behind the last instruction."""
        finish(self.going_back(count))

    def forward_to(self, addresses: Collection[int]) -> bool:
        """Forwards to an instruction at one of the addresses; False when the run ended before."""
        return finish(self.going_forward_to(addresses))

    def back_to(self, addresses: Collection[int]) -> bool:
        """Back to the latest earlier instruction at one of the addresses, else to the start and False."""
        return finish(self.going_back_to(addresses))

    # -- movements in pieces

    def restart(self, begin: Callable[[], Kernel] | None = None) -> None:
        """Back to the start, from now on with another `begin` if one is given."""
        self._begin = begin or self._begin
        self._kernel.close()
        self._saved.clear()
        self._kernel, self.outcome = self._begin(), None
        self._show_thread()

    def going_to(self, position: int) -> Movement[None]:
        """`goto`, in pieces."""
        if (position < self.position and not self._come_back(position)) or (
            self.outcome is not None and position <= self.position
        ):
            self.restart()
        while self.outcome is None and self.position < position:
            if self._run(position):
                yield

    def going_back(self, count: int = 1) -> Movement[None]:
        """`back`: one that faulted was not counted, a system call was."""
        end = self.position
        if self.outcome is None or count != 1:
            yield from self.going_to(max(0, end - count))
            return
        yield from self.going_to(end)
        if self.outcome is not None:
            yield from self.going_to(max(0, end - 1))

    def going_forward_to(
        self,
        addresses: Collection[int],
        wanted: Wanted = lambda registers: True,
        limit: int = MOST_INSTRUCTIONS,
    ) -> Movement[bool]:
        """`forward_to`, where an arrival counts only if it is wanted; given up after `limit` instructions, at least one."""
        end = self.position + limit
        self.step()
        if self.outcome is None and self.registers["rip"] in addresses and wanted(self.registers):
            return True
        arrived: list[int] = []

        def arrive(stop: Stop) -> None:
            if wanted(stop.registers):
                arrived.append(stop.instructions)
                stop.kernel.pause()

        with self._observed(addresses, arrive):
            while self.outcome is None and not arrived and self.position < end:
                if self._run(end):
                    yield
        return bool(arrived)

    def going_back_to(
        self, addresses: Collection[int], wanted: Wanted = lambda registers: True
    ) -> Movement[bool]:
        """`back_to`, where an arrival counts only if it is wanted.

        The nearer past is searched first: stopping at every arrival since the start would take long.
        """
        high, size = self.position, NEAR
        while high > 0:
            low = max(0, high - size)
            yield from self.going_to(low)
            found = yield from self._last_arrival(addresses, wanted, high)
            if found is not None:
                yield from self.going_to(found)
                return True
            high, size = low, size * 8
        yield from self.going_to(0)
        return False

    def _last_arrival(self, addresses: Collection[int], wanted: Wanted, end: int) -> Movement[int | None]:
        """Move to `end`, exclusive: where the last wanted arrival was on the way."""
        found: int | None = None

        def arrive(stop: Stop) -> None:
            nonlocal found
            if stop.instructions < end and wanted(stop.registers):
                found = stop.instructions

        with self._observed(addresses, arrive):
            while self.outcome is None and self.position < end:
                if self._run(end):
                    yield
        return found

    def _run(self, position: int) -> bool:
        """A piece of the way to a position: whether it was long enough for somebody to be looked after."""
        begun, came_from = time.perf_counter(), self.position
        outcome = self._kernel.run(budget=min(position, came_from + self._piece))
        self.outcome = None if outcome.ending in (Ending.BUDGET, Ending.PAUSED) else outcome
        self._show_thread()
        self._save_now_and_then()
        took = time.perf_counter() - begun
        if took > 2 * PIECE:
            self._piece = max(SMALLEST, self._piece // 2)
        elif took < PIECE / 2 and self.position - came_from == self._piece:
            self._piece = min(LARGEST, self._piece * 2)
        # A loop that the machine counts at once makes even the largest piece a short one.
        return took > PIECE / 2 or self._piece == LARGEST

    def _save_now_and_then(self) -> None:
        """Keep states of the present stretch to come back to, further apart the longer it is."""
        if self.outcome is not None or (self._saved and self._saved[0].stretch != stretch_of(self._kernel)):
            self._saved.clear()
            self._spacing = SPACING
        begun = self._saved[-1].instructions if self._saved else 0
        if self.outcome is not None or self.position < begun + self._spacing:
            return
        saved = save(self._kernel)
        if saved is not None:
            self._saved.append(saved)
        if len(self._saved) > MOST_SAVED:
            del self._saved[::2]
            self._spacing *= 2

    def _come_back(self, position: int) -> bool:
        """To the latest saved state before the position, if there is one."""
        here = stretch_of(self._kernel)
        fitting = [each for each in self._saved if each.stretch == here and each.instructions <= position]
        if self.outcome is not None or not fitting:
            return False
        restore(self._kernel, fitting[-1])
        return True

    @contextmanager
    def _observed(self, addresses: Collection[int], observer: Callable[[Stop], None]) -> Iterator[None]:
        """While the block runs, the observer is called at each arrival at one of the addresses."""
        kernel = self._kernel
        for thread in kernel.processes.main.threads:
            thread.announced = None  # of an arrival that was told to an earlier observer
        for address in addresses:
            kernel.at(Moment("label", hex(address), 0), observer)
        try:
            yield
        finally:
            if kernel is self._kernel:
                kernel.forget_labels(observer)

    def _show_thread(self) -> None:
        """Have the machine hold the registers of the thread that runs next."""
        if self.outcome is None:
            self._kernel.switch(self.thread)


def finish(movement: Movement[Found]) -> Found:
    """Move all the way."""
    while True:
        try:
            next(movement)
        except StopIteration as ended:
            found: Found = ended.value
            return found


def finish_unless(movement: Movement[Found], stopped: Callable[[], bool]) -> Found | None:
    """Move until it is stopped: None then, and the timeline is somewhere on the way."""
    while True:
        try:
            next(movement)
        except StopIteration as ended:
            found: Found = ended.value
            return found
        if stopped():
            movement.close()
            return None
