"""System V IPC: shared memory, semaphores, message queues (sysvipc(7)); the meaning lives in kernel/shm.py and beside it."""

from __future__ import annotations

from struct import Struct, pack, unpack
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import PAGE_SHIFT
from toolkit.kernel import ipc, messages, semaphores, shm
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, Int, Long, Size, UnsignedInt, Word
from toolkit.kernel.syscalls.time import read_timespec

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

IPC_64 = 0x100
SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY = 11, 12, 13, 14, 15
GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL = 11, 12, 13, 14, 15, 16, 17
SEM_STAT, SEM_INFO, SEM_STAT_ANY = 18, 19, 20
MSG_STAT, MSG_INFO, MSG_STAT_ANY = 11, 12, 13
SEMBUF = Struct("<Hhh")


def bits(thread: Thread) -> int:
    """32 or 64."""
    return thread.process.personality.bits


# --- shared memory -----------------------------------------------------------------------------------------


@syscall()
def shmget(thread: Thread, key: Int, size: Size, flags: Int) -> int:
    """shmget(2)."""
    return thread.process.kernel.shared_memory.get(thread.process, key, size, flags)


@syscall(abi="x86_64")
def shmat(thread: Thread, number: Int, address: Address, flags: Int) -> int:
    """shmat(2)."""
    return thread.process.kernel.shared_memory.attach(thread, number, address, flags)


@syscall()
def shmdt(thread: Thread, address: Address) -> int:
    """shmdt(2)."""
    return thread.process.kernel.shared_memory.detach(thread, address)


def segment_bytes(thread: Thread, segment: shm.Segment) -> bytes:
    """struct shmid64_ds."""
    extra = (shm.SHM_DEST if segment.removed else 0) | (shm.SHM_LOCKED if segment.locked else 0)
    count = thread.process.kernel.shared_memory.attachments(segment)
    times = segment.attached_at, segment.detached_at, segment.changed
    head = segment.permissions(bits(thread), extra)
    if bits(thread) == 64:
        return head + pack("<Q3q2iQ16x", segment.size, *times, segment.creator, segment.last, count)
    spread = [part for value in times for part in (value & 0xFFFFFFFF, value >> 32)]
    return head + pack("<I6I2iI8x", segment.size, *spread, segment.creator, segment.last, count)


@syscall(abi="x86_64")
def shmctl(thread: Thread, number: Int, command: Int, buffer: Address) -> int:
    """shmctl(2)."""
    process, memory = thread.process, thread.process.kernel.shared_memory
    memory.sweep()
    objects = memory.registry.objects
    match command & ~IPC_64:
        case ipc.IPC_INFO:
            limits = (
                shm.SIZE_MAXIMUM,
                1,
                shm.SEGMENTS_MAXIMUM,
                shm.SEGMENTS_MAXIMUM,
                (1 << 64) - (1 << 24) - 1,
            )
            thread.memory.write(
                buffer,
                pack("<5Q32x", *limits)
                if bits(thread) == 64
                else pack("<5I16x", *(min(v, 0xFFFFFFFF) for v in limits)),
            )
            return max((key & 0x7FFF for key in objects), default=0)
        case 14:  # SHM_INFO
            pages = sum(segment.pages.size >> PAGE_SHIFT for segment in objects.values())
            resident = sum(len(segment.pages.resident) for segment in objects.values())
            thread.memory.write(buffer, pack("<i4x3Q16x", len(objects), pages, resident, 0))
            return max((key & 0x7FFF for key in objects), default=0)
        case 13 | 15:  # SHM_STAT, SHM_STAT_ANY: by index
            found = next((item for key, item in objects.items() if key & 0x7FFF == number), None)
            if found is None:
                raise SyscallError(Errno.EINVAL)
            if command == SHM_STAT:
                found.require(process, ipc.READ)
            thread.memory.write(buffer, segment_bytes(thread, found))
            return found.id
    segment = memory.registry.find(number)
    match command & ~IPC_64:
        case ipc.IPC_STAT:
            segment.require(process, ipc.READ)
            thread.memory.write(buffer, segment_bytes(thread, segment))
        case ipc.IPC_SET:
            segment.require_owner(process)
            segment.set_permissions(thread.memory.read(buffer, 48), bits(thread))
            segment.changed = memory.now()
        case ipc.IPC_RMID:
            segment.require_owner(process)
            memory.mark_removed(segment)
        case 11 | 12:  # SHM_LOCK, SHM_UNLOCK
            segment.require_owner(process)
            segment.locked = command == SHM_LOCK
        case _:
            raise SyscallError(Errno.EINVAL)
    return 0


@syscall("shmctl", abi="i386")
def shmctl_32(thread: Thread, number: Int, command: Int, buffer: Address) -> int:
    """shmctl(2)."""
    return shmctl(thread, number, command, buffer)


@syscall("shmat", abi="i386")
def shmat_32(thread: Thread, number: Int, address: Address, flags: Int) -> int:
    """shmat(2)."""
    return shmat(thread, number, address, flags)


# --- semaphores --------------------------------------------------------------------------------------------


@syscall()
def semget(thread: Thread, key: Int, size: Int, flags: Int) -> int:
    """semget(2)."""
    return thread.process.kernel.semaphores.get(thread.process, key, size, flags)


@syscall()
def semop(thread: Thread, number: Int, operations: Address, count: UnsignedInt) -> int:
    """semop(2)."""
    return semtimedop(thread, number, operations, count, 0)


@syscall("semtimedop", "semtimedop_time64")
def semtimedop(thread: Thread, number: Int, operations: Address, count: UnsignedInt, timeout: Address) -> int:
    """semtimedop(2)."""
    if number < 0 or count < 1:
        raise SyscallError(Errno.EINVAL)
    if count > semaphores.OPERATIONS_MAXIMUM:
        raise SyscallError(Errno.E2BIG)
    data = thread.memory.read(operations, SEMBUF.size * count)
    wanted = [semaphores.Operation(*fields) for fields in SEMBUF.iter_unpack(data)]
    deadline = thread.deadline(read_timespec(thread, timeout)) if timeout else None
    return thread.process.kernel.semaphores.operate(thread, number, wanted, deadline)


def set_bytes(thread: Thread, found: semaphores.SemaphoreSet) -> bytes:
    """struct semid64_ds."""
    head = found.permissions(bits(thread))
    if bits(thread) == 64:
        return head + pack("<q8xq8xQ16x", found.operated_at, found.changed, len(found.values))
    return head + pack("<I4xI4xI8x", found.operated_at, found.changed, len(found.values))


@syscall()
def semctl(thread: Thread, number: Int, index: Int, command: Int, argument: Word) -> int:
    """semctl(2)."""
    process, all_sets = thread.process, thread.process.kernel.semaphores
    command &= ~IPC_64
    if command in (ipc.IPC_INFO, SEM_INFO):
        used = len(all_sets.registry.objects) if command == SEM_INFO else 20
        limits = (1024000000, 32000, 1024000000, 1024000000, 32000, 500, 500, used, 32767, 32767)
        thread.memory.write(argument, pack("<10i", *limits))
        return max((key & 0x7FFF for key in all_sets.registry.objects), default=0)
    if command in (SEM_STAT, SEM_STAT_ANY):
        sets = all_sets.registry.objects.items()
        found = next((item for key, item in sets if key & 0x7FFF == number), None)
        if found is None:
            raise SyscallError(Errno.EINVAL)
        thread.memory.write(argument, set_bytes(thread, found))
        return found.id
    found = all_sets.registry.find(number)
    if command in (GETPID, GETVAL, GETNCNT, GETZCNT, SETVAL) and not 0 <= index < len(found.values):
        raise SyscallError(Errno.EINVAL)
    return control_set(thread, found, index, command, argument, process.pid)


def control_set(
    thread: Thread, found: semaphores.SemaphoreSet, index: int, command: int, argument: int, pid: int
) -> int:
    """The commands on one set."""
    process, size = thread.process, len(found.values)
    if command in (GETPID, GETVAL, GETNCNT, GETZCNT, GETALL, ipc.IPC_STAT):
        found.require(process, ipc.READ)
    if command in (SETVAL, SETALL):
        found.require(process, ipc.WRITE)
    match command:
        case 11:  # GETPID
            return found.last[index]
        case 12:  # GETVAL
            return found.values[index]
        case 13:  # GETALL
            thread.memory.write(argument, pack(f"<{size}H", *found.values))
        case 14 | 15:  # GETNCNT, GETZCNT: waiting for more, waiting for zero
            zero = command == GETZCNT
            return sum(1 for _, op in found.waiting if op.number == index and (op.change == 0) == zero)
        case 16:  # SETVAL
            value = (argument & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
            process.kernel.semaphores.set_value(found, index, value, pid)
        case 17:  # SETALL
            for position, value in enumerate(unpack(f"<{size}H", thread.memory.read(argument, 2 * size))):
                process.kernel.semaphores.set_value(found, position, value, pid)
        case ipc.IPC_STAT:
            thread.memory.write(argument, set_bytes(thread, found))
        case ipc.IPC_SET:
            found.require_owner(process)
            found.set_permissions(thread.memory.read(argument, 48), bits(thread))
        case ipc.IPC_RMID:
            found.require_owner(process)
            process.kernel.semaphores.remove(found)
        case _:
            raise SyscallError(Errno.EINVAL)
    return 0


# --- messages ----------------------------------------------------------------------------------------------


@syscall()
def msgget(thread: Thread, key: Int, flags: Int) -> int:
    """msgget(2)."""
    return thread.process.kernel.messages.get(thread.process, key, flags)


@syscall()
def msgsnd(thread: Thread, number: Int, message: Address, size: Long, flags: Int) -> int:
    """msgsnd(2)."""
    word = thread.process.personality.word
    kind = int.from_bytes(thread.memory.read(message, word), "little", signed=True)
    if kind < 1 or not 0 <= size <= messages.MESSAGE_MAXIMUM or number < 0:
        raise SyscallError(Errno.EINVAL)
    text = thread.memory.read(message + word, size)
    return thread.process.kernel.messages.send(thread, number, messages.Message(kind, text), flags)


@syscall()
def msgrcv(thread: Thread, number: Int, message: Address, size: Long, kind: Long, flags: Int) -> int:
    """msgrcv(2)."""
    if size < 0 or number < 0:
        raise SyscallError(Errno.EINVAL)
    word = thread.process.personality.word
    found = thread.process.kernel.messages.receive(thread, number, size, kind, flags)
    thread.memory.write(message, found.kind.to_bytes(word, "little", signed=True) + found.text)
    return len(found.text)


def queue_bytes(thread: Thread, queue: messages.MessageQueue) -> bytes:
    """struct msqid64_ds."""
    head = queue.permissions(bits(thread))
    times = queue.sent_at, queue.received_at, queue.changed
    tail = (queue.bytes, len(queue.messages), queue.limit)
    if bits(thread) == 64:
        return head + pack("<3q3Q2i16x", *times, *tail, queue.last_sender, queue.last_receiver)
    spread = [part for value in times for part in (value & 0xFFFFFFFF, value >> 32)]
    return head + pack("<6I3I2i8x", *spread, *tail, queue.last_sender, queue.last_receiver)


@syscall()
def msgctl(thread: Thread, number: Int, command: Int, buffer: Address) -> int:
    """msgctl(2)."""
    process, queues = thread.process, thread.process.kernel.messages
    command &= ~IPC_64
    objects = queues.registry.objects
    if command in (ipc.IPC_INFO, MSG_INFO):
        values = (16384, 16384, 8192, 16384, 32000, 16, 16384)
        thread.memory.write(buffer, pack("<7iH2x", *values, 65535))
        return max((key & 0x7FFF for key in objects), default=0)
    if command in (MSG_STAT, MSG_STAT_ANY):
        found = next((item for key, item in objects.items() if key & 0x7FFF == number), None)
        if found is None:
            raise SyscallError(Errno.EINVAL)
        thread.memory.write(buffer, queue_bytes(thread, found))
        return found.id
    queue = queues.registry.find(number)
    match command:
        case ipc.IPC_STAT:
            queue.require(process, ipc.READ)
            thread.memory.write(buffer, queue_bytes(thread, queue))
        case ipc.IPC_SET:
            queue.require_owner(process)
            data = thread.memory.read(buffer, 96 if bits(thread) == 64 else 60)
            queue.set_permissions(data, bits(thread))
            if bits(thread) == 64:
                queue.limit = int.from_bytes(data[88:96], "little")
        case ipc.IPC_RMID:
            queue.require_owner(process)
            queues.remove(queue)
        case _:
            raise SyscallError(Errno.EINVAL)
    return 0


# --- i386's one call ---------------------------------------------------------------------------------------


@syscall("ipc", abi="i386")
def ipc_32(
    thread: Thread, call: UnsignedInt, first: Int, second: Int, third: Word, pointer: Address, fifth: Word
) -> int:
    """ipc(2): all of the above by number."""
    match call & 0xFFFF:
        case 1:
            return semtimedop(thread, first, pointer, second, 0)
        case 2:
            return semget(thread, first, second, third)
        case 3:
            return semctl(
                thread, first, second, third, int.from_bytes(thread.memory.read(pointer, 4), "little")
            )
        case 4:
            return semtimedop(thread, first, pointer, second, fifth)
        case 11:
            return msgsnd(thread, first, pointer, second, third)
        case 12:
            kind = (fifth ^ 0x80000000) - 0x80000000
            return msgrcv(thread, first, pointer, second, kind, third)
        case 13:
            return msgget(thread, first, second)
        case 14:
            return msgctl(thread, first, second, pointer)
        case 21:
            place = shmat(thread, first, pointer, second)
            thread.memory.write(third, place.to_bytes(4, "little"))
            return 0
        case 22:
            return shmdt(thread, pointer)
        case 23:
            return shmget(thread, first, second, third)
        case 24:
            return shmctl(thread, first, second, pointer)
    raise SyscallError(Errno.ENOSYS)
