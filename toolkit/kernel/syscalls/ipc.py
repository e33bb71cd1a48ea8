"""System V IPC: shared memory, semaphores, message queues (sysvipc(7)); the meaning lives in kernel/shm.py and beside it.

i386 reaches all of it through calls of their own, whose structs are the newer ones, and through ipc(2), where the
flag IPC_64 in the command chooses between these and the old structs.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct, pack, unpack
from typing import TYPE_CHECKING

from toolkit.abi import ipc as a
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.ipc import READ, WRITE, Kind, Registry, seconds
from toolkit.kernel.messages import Message, MessageQueue, Wanted
from toolkit.kernel.semaphores import Operation, SemaphoreSet
from toolkit.kernel.shm import Segment
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, Int, Long, Size, UnsignedInt, Word
from toolkit.kernel.syscalls.time import read_timespec

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

I386_LONG = 0x7FFF_FFFF


@dataclass(frozen=True)
class Layouts:
    """The structs of one ABI: "64" of x86-64, "32" of i386, "old" of i386's ipc(2) without IPC_64."""

    name: str
    segment: Struct
    set: Struct
    queue: Struct
    segment_limits: Struct
    segment_use: Struct

    @property
    def permissions(self) -> Struct:
        """struct ipc_perm."""
        return a.PERMISSIONS[self.name]

    def segment_bytes(self, found: Segment, attached: int) -> bytes:
        """struct shmid64_ds."""
        times = self._times(found.attached_at, found.detached_at, found.changed)
        owners = found.creator, found.last
        if self.name == "old":
            owners = owners[0] & 0xFFFF, owners[1] & 0xFFFF
        tail = self.segment.pack(found.pages.size, *times, *owners, attached)
        return found.permissions(self.permissions) + tail

    def set_bytes(self, found: SemaphoreSet) -> bytes:
        """struct semid64_ds."""
        times = self._times(found.operated_at, found.changed)
        return found.permissions(self.permissions) + self.set.pack(*times, len(found.values))

    def queue_bytes(self, found: MessageQueue) -> bytes:
        """struct msqid64_ds."""
        times = self._times(found.sent_at, found.received_at, found.changed)
        head = found.permissions(self.permissions)
        if self.name == "old":
            short = [min(each, 0xFFFF) for each in (found.bytes, len(found.messages), found.limit)]
            owners = found.last_sender & 0xFFFF, found.last_receiver & 0xFFFF
            return head + self.queue.pack(*times, found.bytes, found.limit, *short, *owners)
        counts = found.bytes, len(found.messages), found.limit
        return head + self.queue.pack(*times, *counts, found.last_sender, found.last_receiver)

    def queue_limit(self, data: bytes) -> int:
        """msg_qbytes of a struct msqid64_ds, for IPC_SET."""
        values = self.queue.unpack_from(data, self.permissions.size)
        if self.name == "old":
            return int(values[6] or values[4])
        return int(values[-3])

    def _times(self, *times: int) -> tuple[int, ...]:
        if self.name == "32":
            return tuple(part for time in times for part in (time & 0xFFFFFFFF, time >> 32))
        return times


LAYOUTS = {
    "64": Layouts(
        "64",
        Struct("<Q3q2iQ16x"),
        Struct("<q8xq8xQ16x"),
        Struct("<3q3Q2i16x"),
        Struct("<5Q32x"),
        Struct("<i4x5Q"),
    ),
    "32": Layouts(
        "32",
        Struct("<I6I2iI8x"),
        Struct("<4II8x"),
        Struct("<6I3I2i8x"),
        Struct("<5I16x"),
        Struct("<i5I"),
    ),
    "old": Layouts(
        "old",
        Struct("<i3i2HH2x8x"),
        Struct("<2i16xH2x"),
        Struct("<8x3iII3H2H2x"),
        Struct("<5i"),
        Struct("<i5I"),
    ),
}


def layouts(thread: Thread) -> Layouts:
    """Those of the calls that are not ipc(2)."""
    return LAYOUTS["64" if thread.process.personality.bits == 64 else "32"]


def owned(
    thread: Thread, registry: Registry[Kind], number: int, command: int, buffer: int, size: int
) -> tuple[Kind, bytes | None]:
    """The object that IPC_SET or IPC_RMID is about, and the struct that IPC_SET brings. EFAULT, EINVAL, EPERM."""
    if command not in (a.IPC_SET, a.IPC_RMID):
        raise SyscallError(Errno.EINVAL)
    data = thread.memory.read(buffer, size) if command == a.IPC_SET else None
    found = registry.find(number)
    found.require_owner(thread.process)
    return found, data


# --- shared memory -----------------------------------------------------------------------------------------


@syscall()
def shmget(thread: Thread, key: Int, size: Size, flags: UnsignedInt) -> int:
    """shmget(2)."""
    return thread.process.kernel.shared_memory.get(thread.process, key, size, flags)


@syscall()
def shmat(thread: Thread, number: Int, address: Address, flags: UnsignedInt) -> int:
    """shmat(2)."""
    return thread.process.kernel.shared_memory.attach(thread, number, address, flags)


@syscall()
def shmdt(thread: Thread, address: Address) -> int:
    """shmdt(2)."""
    return thread.process.kernel.shared_memory.detach(thread, address)


@syscall()
def shmctl(thread: Thread, number: Int, command: Int, buffer: Address) -> int:
    """shmctl(2)."""
    return control_segment(thread, number, command, buffer, layouts(thread))


def control_segment(thread: Thread, number: int, command: int, buffer: int, layout: Layouts) -> int:
    """shmctl with the structs of `layout`; checks in the kernel's order."""
    memory, process = thread.process.kernel.shared_memory, thread.process
    if command < 0 or number < 0:
        raise SyscallError(Errno.EINVAL)
    if command in (a.IPC_INFO, a.SHM_INFO):
        thread.memory.write(buffer, segment_numbers(thread, command, layout))
        return memory.registry.highest
    if command in (a.IPC_STAT, a.SHM_STAT, a.SHM_STAT_ANY):
        found = memory.registry.find(number) if command == a.IPC_STAT else memory.registry.at(number)
        if command != a.SHM_STAT_ANY:
            found.require(process, READ)
        thread.memory.write(buffer, layout.segment_bytes(found, memory.attachments(found)))
        return 0 if command == a.IPC_STAT else found.id
    if command in (a.SHM_LOCK, a.SHM_UNLOCK):
        memory.lock(process, number, command == a.SHM_LOCK)
        return 0
    size = layout.permissions.size + layout.segment.size
    found, data = owned(thread, memory.registry, number, command, buffer, size)
    if data is None:
        memory.remove(found)
    else:
        found.set_permissions(data, layout.permissions)
        found.changed = seconds(process.kernel)
    return 0


def segment_numbers(thread: Thread, command: int, layout: Layouts) -> bytes:
    """struct shminfo64, or struct shm_info."""
    memory = thread.process.kernel.shared_memory
    if command == a.IPC_INFO:
        largest = a.SHMMAX if layout.name == "64" else I386_LONG
        everything = a.SHMALL if layout.name == "64" else a.SHMALL & 0xFFFFFFFF
        if layout.name == "old":
            everything = min(everything, I386_LONG)
        return layout.segment_limits.pack(largest, a.SHMMIN, a.SHMMNI, a.SHMMNI, everything)
    segments = memory.registry.objects.values()
    resident = sum(len(segment.pages.resident) for segment in segments)
    swapped = sum(len(segment.pages.swapped) for segment in segments)
    return layout.segment_use.pack(len(segments), memory.total_pages, resident, swapped, 0, 0)


# --- semaphores --------------------------------------------------------------------------------------------


@syscall()
def semget(thread: Thread, key: Int, size: Int, flags: UnsignedInt) -> int:
    """semget(2)."""
    return thread.process.kernel.semaphores.get(thread.process, key, size, flags)


@syscall()
def semop(thread: Thread, number: Int, operations: Address, count: UnsignedInt) -> int:
    """semop(2)."""
    return semtimedop(thread, number, operations, count, 0)


@syscall("semtimedop", "semtimedop_time64")
def semtimedop(thread: Thread, number: Int, operations: Address, count: UnsignedInt, timeout: Address) -> int:
    """semtimedop(2)."""
    if timeout:
        thread.memory.read(timeout, 8)
    if count > a.SEMOPM:
        raise SyscallError(Errno.E2BIG)
    if count < 1 or number < 0:
        raise SyscallError(Errno.EINVAL)
    data = thread.memory.read(operations, a.SEMBUF.size * count)
    wanted = [Operation(*fields) for fields in a.SEMBUF.iter_unpack(data)]
    deadline = thread.deadline(read_timespec(thread, timeout)) if timeout else None
    return thread.process.kernel.semaphores.operate(thread, number, wanted, deadline)


@syscall()
def semctl(thread: Thread, number: Int, index: Int, command: Int, argument: Word) -> int:
    """semctl(2)."""
    layout = layouts(thread)
    if layout.name == "32":
        command &= ~a.IPC_64
    return control_set(thread, number, index, command, argument, layout)


def control_set(thread: Thread, number: int, index: int, command: int, argument: int, layout: Layouts) -> int:
    """semctl with the structs of `layout`; checks in the kernel's order."""
    sets, process = thread.process.kernel.semaphores, thread.process
    if number < 0:
        raise SyscallError(Errno.EINVAL)
    if command in (a.IPC_INFO, a.SEM_INFO):
        used = (len(sets.registry.objects), sets.used) if command == a.SEM_INFO else (a.SEMUSZ, a.SEMAEM)
        head = (a.SEMMNS, a.SEMMNI, a.SEMMNS, a.SEMMNS, a.SEMMSL, a.SEMOPM, a.SEMOPM)
        thread.memory.write(argument, pack("<10i", *head, used[0], a.SEMVMX, used[1]))
        return sets.registry.highest
    if command in (a.IPC_STAT, a.SEM_STAT, a.SEM_STAT_ANY):
        found = sets.registry.find(number) if command == a.IPC_STAT else sets.registry.at(number)
        if command != a.SEM_STAT_ANY:
            found.require(process, READ)
        thread.memory.write(argument, layout.set_bytes(found))
        return 0 if command == a.IPC_STAT else found.id
    if a.GETPID <= command <= a.SETALL:
        return semaphore_values(thread, number, index, command, argument)
    size = layout.permissions.size + layout.set.size
    found, data = owned(thread, sets.registry, number, command, argument, size)
    if data is None:
        sets.remove(found)
    else:
        found.set_permissions(data, layout.permissions)
        found.changed = seconds(process.kernel)
    return 0


def semaphore_values(thread: Thread, number: int, index: int, command: int, argument: int) -> int:
    """The commands that read and set values (semctl_main, semctl_setval)."""
    sets, process = thread.process.kernel.semaphores, thread.process
    value = (argument & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    if command == a.SETVAL and not 0 <= value <= a.SEMVMX:
        raise SyscallError(Errno.ERANGE)
    found = sets.registry.find(number)
    size = len(found.values)
    if command == a.SETVAL and not 0 <= index < size:
        raise SyscallError(Errno.EINVAL)
    found.require(process, WRITE if command in (a.SETVAL, a.SETALL) else READ)
    if command == a.GETALL:
        thread.memory.write(argument, found.values.tobytes())
        return 0
    if command == a.SETALL:
        values = unpack(f"<{size}H", thread.memory.read(argument, 2 * size))
        sets.set_values(found, process, dict(enumerate(values)))
        return 0
    if not 0 <= index < size:
        raise SyscallError(Errno.EINVAL)
    if command == a.SETVAL:
        sets.set_values(found, process, {index: value})
        return 0
    if command in (a.GETNCNT, a.GETZCNT):
        return found.waiting(index, for_zero=command == a.GETZCNT)
    return found.values[index] if command == a.GETVAL else found.last[index]


# --- messages ----------------------------------------------------------------------------------------------


@syscall()
def msgget(thread: Thread, key: Int, flags: UnsignedInt) -> int:
    """msgget(2)."""
    return thread.process.kernel.messages.get(thread, key, flags)


@syscall()
def msgsnd(thread: Thread, number: Int, message: Address, size: Long, flags: UnsignedInt) -> int:
    """msgsnd(2)."""
    word = thread.process.personality.word
    kind = int.from_bytes(thread.memory.read(message, word), "little", signed=True)
    if not 0 <= size <= a.MSGMAX or number < 0 or kind < 1:
        raise SyscallError(Errno.EINVAL)
    text = thread.memory.read(message + word, size)
    return thread.process.kernel.messages.send(thread, number, Message(kind, text), flags)


@syscall()
def msgrcv(thread: Thread, number: Int, message: Address, size: Long, kind: Long, flags: UnsignedInt) -> int:
    """msgrcv(2)."""
    if number < 0 or size < 0:
        raise SyscallError(Errno.EINVAL)
    if flags & a.MSG_COPY and (flags & a.MSG_EXCEPT or not flags & a.IPC_NOWAIT):
        raise SyscallError(Errno.EINVAL)
    word = thread.process.personality.word
    found = thread.process.kernel.messages.receive(thread, number, Wanted(kind, size, flags))
    thread.memory.write(message, found.kind.to_bytes(word, "little", signed=True) + found.text)
    return len(found.text)


@syscall()
def msgctl(thread: Thread, number: Int, command: Int, buffer: Address) -> int:
    """msgctl(2)."""
    return control_queue(thread, number, command, buffer, layouts(thread))


def control_queue(thread: Thread, number: int, command: int, buffer: int, layout: Layouts) -> int:
    """msgctl with the structs of `layout`; checks in the kernel's order."""
    queues, process = thread.process.kernel.messages, thread.process
    if number < 0 or command < 0:
        raise SyscallError(Errno.EINVAL)
    if command in (a.IPC_INFO, a.MSG_INFO):
        pool, entries, total = a.MSGPOOL, a.MSGMAP, a.MSGTQL
        if command == a.MSG_INFO:
            pool, entries, total = len(queues.registry.objects), queues.count, queues.bytes
        numbers = (pool, entries, a.MSGMAX, a.MSGMNB, a.MSGMNI, a.MSGSSZ, total, a.MSGSEG)
        thread.memory.write(buffer, pack("<7iH2x", *numbers))
        return queues.registry.highest
    if command in (a.IPC_STAT, a.MSG_STAT, a.MSG_STAT_ANY):
        found = queues.registry.find(number) if command == a.IPC_STAT else queues.registry.at(number)
        if command != a.MSG_STAT_ANY:
            found.require(process, READ)
        thread.memory.write(buffer, layout.queue_bytes(found))
        return 0 if command == a.IPC_STAT else found.id
    size = layout.permissions.size + layout.queue.size
    found, data = owned(thread, queues.registry, number, command, buffer, size)
    if data is None:
        queues.remove(found)
        return 0
    limit = layout.queue_limit(data)
    if limit > a.MSGMNB and not process.privileged:
        raise SyscallError(Errno.EPERM)
    found.set_permissions(data, layout.permissions)
    found.limit, found.changed = limit, seconds(process.kernel)
    found.room.wake()
    return 0


# --- i386's one call ---------------------------------------------------------------------------------------

SEMOP, SEMGET, SEMCTL, SEMTIMEDOP = 1, 2, 3, 4
MSGSND, MSGRCV, MSGGET, MSGCTL = 11, 12, 13, 14
SHMAT, SHMDT, SHMGET, SHMCTL = 21, 22, 23, 24


@syscall("ipc", abi="i386")
def ipc_32(
    thread: Thread, call: UnsignedInt, first: Int, second: Int, third: Word, pointer: Address, fifth: Word
) -> int:
    """ipc(2): all of the above by number; the upper half of `call` is a version, 0 for what libc does."""
    version, number = call >> 16, call & 0xFFFF
    layout, command = LAYOUTS["32" if second & a.IPC_64 else "old"], second & ~a.IPC_64
    if number in (SEMOP, SEMTIMEDOP):
        return semtimedop(thread, first, pointer, second & 0xFFFFFFFF, fifth if number == SEMTIMEDOP else 0)
    if number == SEMGET:
        return semget(thread, first, second, third)
    if number == SEMCTL:
        if not pointer:
            raise SyscallError(Errno.EINVAL)
        argument = word_at(thread, pointer)
        layout = LAYOUTS["32" if third & a.IPC_64 else "old"]
        command = (third & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        return control_set(thread, first, second, command & ~a.IPC_64, argument, layout)
    if number == MSGSND:
        return msgsnd(thread, first, pointer, second, third)
    if number == MSGRCV:
        return receive_through_ipc(thread, version, first, second, third, pointer, fifth)
    if number == MSGGET:
        return msgget(thread, first, second & 0xFFFFFFFF)
    if number == MSGCTL:
        return control_queue(thread, first, command, pointer, layout)
    if number == SHMAT:
        if version == 1:
            raise SyscallError(Errno.EINVAL)
        place = shmat(thread, first, pointer, second & 0xFFFFFFFF)
        thread.memory.write(third, place.to_bytes(4, "little"))
        return 0
    if number == SHMDT:
        return shmdt(thread, pointer)
    if number == SHMGET:
        return shmget(thread, first, second & 0xFFFFFFFF, third)
    if number == SHMCTL:
        return control_segment(thread, first, command, pointer, layout)
    raise SyscallError(Errno.ENOSYS)


def receive_through_ipc(
    thread: Thread, version: int, number: int, size: int, flags: int, pointer: int, kind: int
) -> int:
    """msgrcv has an argument too many: version 0 passes two of them through memory (struct ipc_kludge)."""
    if version == 0:
        if not pointer:
            raise SyscallError(Errno.EINVAL)
        pointer, kind = unpack("<II", thread.memory.read(pointer, 8))
    return msgrcv(thread, number, pointer, size, (kind ^ 0x80000000) - 0x80000000, flags)


def word_at(thread: Thread, address: int) -> int:
    """A 32-bit word of the program's memory."""
    return int.from_bytes(thread.memory.read(address, 4), "little")
