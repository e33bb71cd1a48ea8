"""Who runs next and for how long, and what happens at which virtual time."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.kernel.task import State

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread


@dataclass
class Timer:
    """A callback at a virtual time; `cancel` makes it do nothing."""

    when: int
    action: Callable[[], None] | None

    def cancel(self) -> None:
        self.action = None


@dataclass
class Scheduler:
    """Round robin over runnable threads; the length of each slice comes from the seed.

    The same seed gives the same interleaving. Timers fire in the order of their times, then of their making.
    """

    seed: int
    shortest: int = 8_000
    longest: int = 16_000
    queue: deque[Thread] = field(default_factory=deque)
    timers: list[tuple[int, int, Timer]] = field(default_factory=list)
    _sequence: int = 0
    _random: random.Random | None = None

    def add(self, thread: Thread) -> None:
        """Make a thread eligible, behind the others."""
        self.queue.append(thread)

    def take(self) -> Thread | None:
        """The next runnable thread."""
        while self.queue:
            thread = self.queue.popleft()
            if thread.state is State.RUNNABLE:
                return thread
        return None

    def slice(self) -> int:
        """Instructions the next slice lasts."""
        if self._random is None:
            self._random = random.Random(self.seed ^ 0x5C4ED)
        return self._random.randint(self.shortest, self.longest)

    def at(self, when: int, action: Callable[[], None]) -> Timer:
        """Call `action` at a virtual time."""
        timer = Timer(when, action)
        self._sequence += 1
        heapq.heappush(self.timers, (when, self._sequence, timer))
        return timer

    def next_time(self) -> int | None:
        """When the next timer is due; None without one."""
        while self.timers and self.timers[0][2].action is None:
            heapq.heappop(self.timers)
        return self.timers[0][0] if self.timers else None

    def fire(self, now: int) -> None:
        """Run all the timers that are due."""
        while self.timers and self.timers[0][0] <= now:
            timer = heapq.heappop(self.timers)[2]
            action, timer.action = timer.action, None
            if action is not None:
                action()
