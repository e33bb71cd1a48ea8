"""System V semaphores (semop(2), ipc/sem.c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.ipc import IPC_NOWAIT, READ, WRITE, IpcObject, Registry, requested
from toolkit.kernel.waiting import Blocked, WaitQueue

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process, Thread

SEM_UNDO = 0x1000
SETS_MAXIMUM = 32_000
SET_SIZE_MAXIMUM = 32_000
OPERATIONS_MAXIMUM = 500
VALUE_MAXIMUM = 32_767


@dataclass(frozen=True, slots=True)
class Operation:
    """struct sembuf."""

    number: int
    change: int
    flags: int


class SemaphoreSet(IpcObject):
    """Values, who changed each last, and who waits."""

    def __init__(self, process: Process, key: int, mode: int, size: int) -> None:
        super().__init__(process, key, mode)
        self.values = [0] * size
        self.last = [0] * size
        self.operated_at = 0
        self.waiting: list[tuple[Thread, Operation]] = []
        self.changed_queue = WaitQueue("a semaphore")

    def blocking(self, operations: list[Operation]) -> Operation | None:
        """The first operation that can't be done now; ERANGE, EFBIG. Nothing is changed."""
        values = list(self.values)
        for operation in operations:
            if operation.number >= len(values):
                raise SyscallError(Errno.EFBIG)
            value = values[operation.number]
            if (operation.change == 0 and value) or value + operation.change < 0:
                return operation
            if value + operation.change > VALUE_MAXIMUM:
                raise SyscallError(Errno.ERANGE)
            values[operation.number] = value + operation.change
        return None


class Semaphores:
    """The sets of a kernel, and the undo lists of its processes."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.registry: Registry[SemaphoreSet] = Registry(kernel, SETS_MAXIMUM)
        kernel.exit_hooks.append(self.undo)

    def get(self, process: Process, key: int, size: int, flags: int) -> int:
        """semget(2)."""
        if not 0 <= size <= SET_SIZE_MAXIMUM:
            raise SyscallError(Errno.EINVAL)
        found = self.registry.by_key(key, flags)
        if found is not None:
            if size > len(found.values):
                raise SyscallError(Errno.EINVAL)
            found.require(process, requested(flags))
            return found.id
        if not size:
            raise SyscallError(Errno.EINVAL)
        return self.registry.add(SemaphoreSet(process, key, flags, size))

    def operate(self, thread: Thread, number: int, operations: list[Operation], deadline: int | None) -> int:
        """semtimedop(2): all or nothing."""
        held: SemaphoreSet | None = thread.sleep.get("semaphores")
        if held is not None and held.removed:
            raise SyscallError(Errno.EIDRM)
        found = held or self.registry.find(number)
        alter = any(operation.change for operation in operations)
        found.require(thread.process, WRITE if alter else READ)
        obstacle = found.blocking(operations)
        found.waiting = [pair for pair in found.waiting if pair[0] is not thread]
        if obstacle is not None:
            if obstacle.flags & IPC_NOWAIT or thread.expired(deadline):
                raise SyscallError(Errno.EAGAIN)
            thread.sleep["semaphores"] = found
            found.waiting.append((thread, obstacle))

            def interrupted() -> int:
                found.waiting = [pair for pair in found.waiting if pair[0] is not thread]
                return -Errno.EINTR

            raise Blocked(found.changed_queue, deadline=deadline, interrupted=interrupted)
        for operation in operations:
            found.values[operation.number] += operation.change
            found.last[operation.number] = thread.process.pid
            if operation.flags & SEM_UNDO and operation.change:
                key = found.id, operation.number
                undo = thread.process.semaphore_undo
                undo[key] = undo.get(key, 0) - operation.change
        found.operated_at = self.kernel.clock.realtime // NANOSECONDS
        if alter:
            found.changed_queue.wake()
        return 0

    def set_value(self, found: SemaphoreSet, index: int, value: int, pid: int) -> None:
        """SETVAL: clears the undo of every process."""
        if not 0 <= value <= VALUE_MAXIMUM:
            raise SyscallError(Errno.ERANGE)
        found.values[index] = value
        found.last[index] = pid
        for process in self.kernel.processes.all():
            process.semaphore_undo.pop((found.id, index), None)
        found.changed = self.kernel.clock.realtime // NANOSECONDS
        found.changed_queue.wake()

    def remove(self, found: SemaphoreSet) -> None:
        """IPC_RMID: who waits gets EIDRM."""
        self.registry.remove(found)
        found.changed_queue.wake()

    def undo(self, process: Process) -> None:
        """exit_sem(): give back what the process took with SEM_UNDO."""
        for (number, index), change in process.semaphore_undo.items():
            found = self.registry.objects.get(number)
            if found is not None:
                found.values[index] = min(max(found.values[index] + change, 0), VALUE_MAXIMUM)
                found.last[index] = process.pid
                found.changed_queue.wake()
        process.semaphore_undo = {}
