"""System V semaphores (semop(2), ipc/sem.c).

As in Linux, who changes a set carries out the waiting operations that have become possible, those that only wait for
zero first, the others in the order of their coming: a waiter that is served can't lose its turn to a faster process.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi import ipc as a
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.ipc import READ, WRITE, IpcObject, Registry, seconds
from toolkit.kernel.task import State
from toolkit.kernel.waiting import Blocked, WaitQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process, Thread

BYTES_OF_ONE = 64
"""What a semaphore takes of the kernel's memory (struct sem)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """struct sembuf."""

    number: int
    change: int
    flags: int


class Waiter:
    """A call that waits; `result` is None until somebody carried it out or refused it."""

    def __init__(self, thread: Thread, operations: Sequence[Operation], obstacle: Operation) -> None:
        self.thread = thread
        self.operations = operations
        self.alters = any(operation.change for operation in operations)
        self.obstacle = obstacle
        self.result: int | None = None
        self.queue = WaitQueue("a semaphore")

    @property
    def waits(self) -> bool:
        """False when a signal or its end has taken the thread out of the call."""
        return self.thread.state is not State.DEAD and self.thread.sleep.get("semaphore") is self

    def finish(self, result: int) -> None:
        """The call is over with 0 or -errno."""
        self.result = result
        self.queue.wake()


class SemaphoreSet(IpcObject):
    """Values, who changed each last, what each process has to undo, and who waits."""

    def __init__(self, process: Process, key: int, mode: int, size: int) -> None:
        super().__init__(process, key, mode)
        self.values = array("H", bytes(2 * size))
        self.last = array("i", bytes(4 * size))
        self.undo: dict[Process, dict[int, int]] = {}
        self.operated_at = 0
        self.waiters: list[Waiter] = []

    def attempt(self, process: Process, operations: Sequence[Operation]) -> Operation | None:
        """Carry out all the operations (None), or none: then the first that must wait. ERANGE.

        EAGAIN when that one has IPC_NOWAIT.
        """
        values: dict[int, int] = {}
        undo = dict(self.undo.get(process, {}))
        for operation in operations:
            number, change = operation.number, operation.change
            value = values.get(number, self.values[number])
            if value if change == 0 else value + change < 0:
                if operation.flags & a.IPC_NOWAIT:
                    raise SyscallError(Errno.EAGAIN)
                return operation
            if value + change > a.SEMVMX:
                raise SyscallError(Errno.ERANGE)
            if operation.flags & a.SEM_UNDO:
                undo[number] = undo.get(number, 0) - change
                if not -a.SEMAEM - 1 <= undo[number] <= a.SEMAEM:
                    raise SyscallError(Errno.ERANGE)
            values[number] = value + change
        for number, value in values.items():
            self.values[number] = value
            self.last[number] = process.pid
        if undo:
            self.undo[process] = undo
        return None

    def settle(self) -> bool:
        """Serve those who wait, now that values have changed; whether any was served."""
        served = again = False
        self.waiters = [waiter for waiter in self.waiters if waiter.waits and waiter.result is None]
        for waiter in sorted(self.waiters, key=lambda each: each.alters):
            try:
                obstacle = self.attempt(waiter.thread.process, waiter.operations)
            except SyscallError as error:
                waiter.finish(-error.errno)
                continue
            if obstacle is not None:
                waiter.obstacle = obstacle
                continue
            waiter.finish(0)
            served = True
            if waiter.alters:
                again = True
                break
        self.waiters = [waiter for waiter in self.waiters if waiter.result is None]
        return (again and self.settle()) or served

    def waiting(self, number: int, for_zero: bool) -> int:
        """semncnt, or semzcnt: calls whose obstacle is this semaphore."""
        return sum(
            waiter.waits and waiter.obstacle.number == number and (waiter.obstacle.change == 0) == for_zero
            for waiter in self.waiters
        )


class Semaphores:
    """The sets of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.registry: Registry[SemaphoreSet] = Registry(a.SEMMNI)
        self.used = 0
        """Semaphores in all sets."""
        kernel.exit_hooks.append(self._undo_all)

    def get(self, process: Process, key: int, size: int, flags: int) -> int:
        """semget(2). EACCES, EEXIST, EINVAL, ENOENT, ENOMEM, ENOSPC."""
        if not 0 <= size <= a.SEMMSL:
            raise SyscallError(Errno.EINVAL)
        found = self.registry.by_key(key, flags)
        if found is not None:
            if size > len(found.values):
                raise SyscallError(Errno.EINVAL)
            found.require(process, flags)
            return found.id
        if not size:
            raise SyscallError(Errno.EINVAL)
        if self.used + size > a.SEMMNS:
            raise SyscallError(Errno.ENOSPC)
        if (self.used + size) * BYTES_OF_ONE > self.kernel.frames.total << 12:
            raise SyscallError(Errno.ENOMEM)
        number = self.registry.add(SemaphoreSet(process, key, flags, size))
        self.used += size
        return number

    def operate(
        self, thread: Thread, number: int, operations: Sequence[Operation], deadline: int | None
    ) -> int:
        """semtimedop(2): all or nothing. EACCES, EAGAIN, EFBIG, EIDRM, EINTR, EINVAL, ERANGE."""
        waiter: Waiter | None = thread.sleep.get("semaphore")
        if waiter is not None:
            return self._look_again(thread, waiter, deadline)
        found = self.registry.find(number)
        if max(operation.number for operation in operations) >= len(found.values):
            raise SyscallError(Errno.EFBIG)
        alters = any(operation.change for operation in operations)
        found.require(thread.process, WRITE if alters else READ)
        obstacle = found.attempt(thread.process, operations)
        if obstacle is None:
            found.operated_at = seconds(self.kernel)
            if alters:
                found.settle()
            return 0
        waiter = thread.sleep["semaphore"] = Waiter(thread, operations, obstacle)
        found.waiters.append(waiter)
        return self._look_again(thread, waiter, deadline)

    def _look_again(self, thread: Thread, waiter: Waiter, deadline: int | None) -> int:
        if waiter.result is not None:
            return waiter.result
        if thread.expired(deadline):
            raise SyscallError(Errno.EAGAIN)
        raise Blocked(waiter.queue, deadline=deadline, restart=False)

    def set_values(self, found: SemaphoreSet, process: Process, values: dict[int, int]) -> None:
        """SETVAL and SETALL: what processes had to undo there is forgotten. ERANGE."""
        if not all(0 <= value <= a.SEMVMX for value in values.values()):
            raise SyscallError(Errno.ERANGE)
        for number, value in values.items():
            found.values[number] = value
            found.last[number] = process.pid
            for undo in found.undo.values():
                undo.pop(number, None)
        found.changed = seconds(self.kernel)
        self._settle(found)

    def remove(self, found: SemaphoreSet) -> None:
        """IPC_RMID: who waits gets EIDRM."""
        self.registry.remove(found)
        self.used -= len(found.values)
        for waiter in found.waiters:
            if waiter.waits:
                waiter.finish(-Errno.EIDRM)

    def _undo_all(self, process: Process) -> None:
        """exit_sem(): take back what the process did with SEM_UNDO, as far as values allow."""
        for found in self.registry.all() if self.registry.objects else ():
            if process not in found.undo:
                continue
            for number, change in found.undo.pop(process).items():
                found.values[number] = min(max(found.values[number] + change, 0), a.SEMVMX)
                found.last[number] = process.pid
            self._settle(found)

    def _settle(self, found: SemaphoreSet) -> None:
        if found.settle():
            found.operated_at = seconds(self.kernel)
