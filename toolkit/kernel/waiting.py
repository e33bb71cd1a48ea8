"""Waiting: a system call that can't go on raises `Blocked`, and is called again when something it waits for changes.

A handler is therefore written as "try; if impossible, raise Blocked": it must have no effect before it raises, but
for what it keeps in `Thread.sleep`, which lasts until the call returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread


class WaitQueue:
    """The threads that wait for one thing, longest-waiting first."""

    __slots__ = ("name", "threads")

    def __init__(self, name: str) -> None:
        self.name = name
        self.threads: list[Thread] = []

    def wake(self) -> None:
        """Let every waiting thread look again."""
        if self.threads:
            for thread in tuple(self.threads):
                thread.wake()


class Blocked(Exception):  # noqa: N818 - not an error
    """The current system call waits for one of `queues`, or for `deadline` (virtual nanoseconds).

    `restart` says what a signal handler does to the call: True is ERESTARTSYS (begun again after a handler with
    SA_RESTART, else EINTR), False is ERESTARTNOHAND (EINTR after any handler); see signal(7).
    `interrupted`, if given, is called instead, and returns the result of the interrupted call.
    A `killable` wait is not interrupted by handlers at all.
    """

    def __init__(
        self,
        *queues: WaitQueue,
        deadline: int | None = None,
        restart: bool = True,
        interrupted: Callable[[], int] | None = None,
        killable: bool = False,
    ) -> None:
        super().__init__()
        self.queues = queues
        self.deadline = deadline
        self.restart = restart
        self.interrupted = interrupted
        self.killable = killable


class ThreadGone(Exception):  # noqa: N818 - not an error
    """The current thread has ended inside its system call: nothing is returned to it."""
