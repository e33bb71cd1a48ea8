"""Waiting for several files: poll, select, epoll, eventfd, timerfd, signalfd."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.events import OpenEpoll, OpenEvent, OpenSignals, OpenTimer, anonymous_inode
from toolkit.kernel.signals import UNBLOCKABLE
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, FileDescriptor, Int, OpenFlags, Size, UnsignedInt
from toolkit.kernel.syscalls.files import check_range
from toolkit.kernel.syscalls.signals import check_set_size, read_set
from toolkit.kernel.syscalls.time import (
    clock_now,
    pack_timeval,
    read_timespec,
    read_timeval,
    timespec_layout,
    write_timespec,
)
from toolkit.kernel.waiting import Blocked, WaitQueue

if TYPE_CHECKING:
    from toolkit.kernel.fs.files import OpenFile
    from toolkit.kernel.task import Thread

MILLISECOND = 1_000_000
ALWAYS_REPORTED = f.POLLERR | f.POLLHUP | f.POLLNVAL
READ_BITS = f.POLLIN | f.POLLRDNORM | f.POLLHUP | f.POLLERR
WRITE_BITS = f.POLLOUT | f.POLLWRNORM | f.POLLERR
FD_SETSIZE_BITS = 1 << 20
EPOLL_EVENTS_MAXIMUM = ((1 << 31) - 1) // f.EPOLL_EVENT.size


def wait_ready(
    thread: Thread,
    look: Callable[[], int],
    files: list[OpenFile],
    timeout: int | None,
    *,
    restart: bool = False,
) -> int:
    """Look; when nothing is ready, sleep until a file changes or the timeout (nanoseconds) has passed."""
    ready = look()
    if ready:
        return ready
    if timeout == 0:
        return 0
    deadline = thread.deadline(timeout)
    if thread.expired(deadline):
        return 0
    queues: list[WaitQueue] = []
    for file in files:
        queues.extend(file.poll_queues())
    raise Blocked(*dict.fromkeys(queues), deadline=deadline, restart=restart)


def poll_files(thread: Thread, address: int, count: int, timeout: int | None) -> int:
    """poll(2) with a timeout in nanoseconds, None for ever."""
    if count > thread.process.limits.open_files:
        raise SyscallError(Errno.EINVAL)
    wanted = list(f.POLLFD.iter_unpack(thread.memory.read(address, f.POLLFD.size * count)))
    table = thread.process.files.open
    files = [table[fd] for fd, _, _ in wanted if fd in table]

    def look() -> int:
        answers = []
        for fd, events, _ in wanted:
            if fd < 0:
                ready = 0
            elif fd not in table:
                ready = f.POLLNVAL
            else:
                ready = table[fd].poll(thread) & (events | ALWAYS_REPORTED)
            answers.append(ready)
        if any(answers):
            data = b"".join(
                f.POLLFD.pack(fd, events, ready)
                for (fd, events, _), ready in zip(wanted, answers, strict=True)
            )
            thread.memory.write(address, data)
        return sum(1 for ready in answers if ready)

    result = wait_ready(thread, look, files, timeout)
    if not result:
        cleared = b"".join(f.POLLFD.pack(fd, events, 0) for fd, events, _ in wanted)
        thread.memory.write(address, cleared)
    return result


@syscall()
def poll(thread: Thread, address: Address, count: UnsignedInt, timeout: Int) -> int:
    """poll(2)."""
    return poll_files(thread, address, count, None if timeout < 0 else timeout * MILLISECOND)


def with_mask(thread: Thread, mask: int, size: int) -> None:
    """Replace the signal mask for the time of the call, once."""
    if mask and "masked" not in thread.sleep:
        check_set_size(size)
        thread.sleep["masked"] = True
        wanted = read_set(thread, mask)
        thread.saved_mask = thread.blocked_signals
        thread.set_blocked(wanted & ~UNBLOCKABLE)


def restore_mask(thread: Thread) -> None:
    """The call returns without a handler: the old mask is back."""
    if thread.saved_mask is not None:
        mask, thread.saved_mask = thread.saved_mask, None
        thread.set_blocked(mask)


def masked(thread: Thread, mask: int, size: int, body: Callable[[], int]) -> int:
    """Run a waiting call under another signal mask."""
    with_mask(thread, mask, size)
    try:
        result = body()
    except Blocked:
        raise
    except SyscallError:
        restore_mask(thread)
        raise
    restore_mask(thread)
    return result


@syscall("ppoll", "ppoll_time64")
def ppoll(
    thread: Thread, address: Address, count: UnsignedInt, timeout: Address, mask: Address, size: Size
) -> int:
    """ppoll(2)."""
    duration = read_timespec(thread, timeout) if timeout else None
    return masked(thread, mask, size, lambda: poll_files(thread, address, count, duration))


def select_files(thread: Thread, count: int, sets: tuple[int, int, int], timeout: int | None) -> int:
    """select(2) with a timeout in nanoseconds."""
    if count < 0:
        raise SyscallError(Errno.EINVAL)
    count = min(count, FD_SETSIZE_BITS)
    word = thread.process.personality.word
    size = (count + word * 8 - 1) // (word * 8) * word
    wanted = [
        int.from_bytes(thread.memory.read(address, size), "little") if address else 0 for address in sets
    ]
    table = thread.process.files.open
    numbers = [fd for fd in range(count) if any(bits >> fd & 1 for bits in wanted)]
    if any(fd not in table for fd in numbers):
        raise SyscallError(Errno.EBADF)
    conditions = (READ_BITS, WRITE_BITS, f.POLLPRI)

    def look() -> int:
        answers = [0, 0, 0]
        for fd in numbers:
            ready = table[fd].poll(thread)
            for index, condition in enumerate(conditions):
                if wanted[index] >> fd & 1 and ready & condition:
                    answers[index] |= 1 << fd
        total = sum(bits.bit_count() for bits in answers)
        if total:
            store_sets(thread, sets, answers, size)
        return total

    result = wait_ready(thread, look, [table[fd] for fd in numbers], timeout)
    if not result:
        store_sets(thread, sets, [0, 0, 0], size)
    return result


def store_sets(thread: Thread, sets: tuple[int, int, int], answers: list[int], size: int) -> None:
    """Write the three fd_sets that were given."""
    for address, bits in zip(sets, answers, strict=True):
        if address:
            thread.memory.write(address, bits.to_bytes(size, "little"))


def store_left(thread: Thread, address: int, timeout: int | None, pack_time: Callable[[int], bytes]) -> None:
    """Linux's select tells how much time was left, where it can (poll_select_finish)."""
    if not address or timeout is None:
        return
    deadline: int | None = thread.sleep.get("deadline")
    left = timeout if deadline is None else max(0, deadline - thread.process.kernel.clock.now)
    with contextlib.suppress(SyscallError):
        thread.memory.write(address, pack_time(left))


@syscall("select", "_newselect")
def select(
    thread: Thread, count: Int, read: Address, write: Address, except_: Address, timeout: Address
) -> int:
    """select(2)."""
    if timeout and "timeout" not in thread.sleep:
        thread.sleep["timeout"] = read_timeval(thread, timeout)
    duration: int | None = thread.sleep.get("timeout")
    result = select_files(thread, count, (read, write, except_), duration)
    store_left(thread, timeout, duration, lambda left: pack_timeval(thread, left))
    return result


@syscall("pselect6", "pselect6_time64")
def pselect6(
    thread: Thread,
    count: Int,
    read: Address,
    write: Address,
    except_: Address,
    timeout: Address,
    mask: Address,
) -> int:
    """pselect(2): the sixth argument points at a mask and its size."""
    word = thread.process.personality.word
    data = thread.memory.read(mask, 2 * word) if mask else bytes(2 * word)
    address, size = int.from_bytes(data[:word], "little"), int.from_bytes(data[word:], "little")
    if timeout and "timeout" not in thread.sleep:
        thread.sleep["timeout"] = read_timespec(thread, timeout)
    duration: int | None = thread.sleep.get("timeout")

    def body() -> int:
        result = select_files(thread, count, (read, write, except_), duration)
        store_left(
            thread, timeout, duration, lambda left: timespec_layout(thread).pack(*divmod(left, NANOSECONDS))
        )
        return result

    return masked(thread, address, size, body)


# --- epoll -------------------------------------------------------------------------------------------------


def install(thread: Thread, file: OpenFile, close_on_exec: bool) -> int:
    """Give a new file a descriptor."""
    return thread.process.files.add(file, thread.process.limits.open_files, close_on_exec)


@syscall()
def epoll_create1(thread: Thread, flags: OpenFlags) -> int:
    """epoll_create1(2)."""
    if flags & ~f.O_CLOEXEC:
        raise SyscallError(Errno.EINVAL)
    inode = anonymous_inode(thread.process.kernel)
    return install(thread, OpenEpoll(inode), bool(flags & f.O_CLOEXEC))


@syscall()
def epoll_create(thread: Thread, size: Int) -> int:
    """epoll_create(2)."""
    if size <= 0:
        raise SyscallError(Errno.EINVAL)
    return epoll_create1(thread, 0)


def epoll_file(thread: Thread, fd: int) -> OpenEpoll:
    """The epoll behind a descriptor. EBADF, EINVAL."""
    file = thread.process.files.get(fd)
    if not isinstance(file, OpenEpoll):
        raise SyscallError(Errno.EINVAL)
    return file


@syscall()
def epoll_ctl(
    thread: Thread, epoll: FileDescriptor, operation: Int, fd: FileDescriptor, event: Address
) -> int:
    """epoll_ctl(2)."""
    events, data = 0, 0
    if operation != f.EPOLL_CTL_DEL:
        events, data = f.EPOLL_EVENT.unpack(thread.memory.read(event, f.EPOLL_EVENT.size))
    thread.process.files.get(epoll)
    file = thread.process.files.get(fd)
    target = epoll_file(thread, epoll)
    if file is target:
        raise SyscallError(Errno.EINVAL)
    target.control(operation, fd, file, events, data)
    return 0


def epoll_wait_for(thread: Thread, epoll: int, address: int, limit: int, timeout: int | None) -> int:
    """epoll_wait with a timeout in nanoseconds (ep_check_params)."""
    if not 0 < limit <= EPOLL_EVENTS_MAXIMUM:
        raise SyscallError(Errno.EINVAL)
    check_range(address, limit * f.EPOLL_EVENT.size)
    target = epoll_file(thread, epoll)

    def look() -> int:
        ready = target.collect(thread, limit)
        if ready:
            thread.memory.write(address, b"".join(f.EPOLL_EVENT.pack(events, data) for events, data in ready))
        return len(ready)

    return wait_ready(thread, look, [target], timeout)


@syscall()
def epoll_wait(thread: Thread, epoll: FileDescriptor, address: Address, limit: Int, timeout: Int) -> int:
    """epoll_wait(2)."""
    return epoll_wait_for(thread, epoll, address, limit, None if timeout < 0 else timeout * MILLISECOND)


@syscall()
def epoll_pwait(
    thread: Thread,
    epoll: FileDescriptor,
    address: Address,
    limit: Int,
    timeout: Int,
    mask: Address,
    size: Size,
) -> int:
    """epoll_pwait(2)."""
    duration = None if timeout < 0 else timeout * MILLISECOND
    return masked(thread, mask, size, lambda: epoll_wait_for(thread, epoll, address, limit, duration))


@syscall()
def epoll_pwait2(
    thread: Thread,
    epoll: FileDescriptor,
    address: Address,
    limit: Int,
    timeout: Address,
    mask: Address,
    size: Size,
) -> int:
    """epoll_pwait2(2)."""
    duration = read_timespec(thread, timeout) if timeout else None
    return masked(thread, mask, size, lambda: epoll_wait_for(thread, epoll, address, limit, duration))


# --- eventfd, timerfd, signalfd ----------------------------------------------------------------------------


@syscall()
def eventfd2(thread: Thread, count: UnsignedInt, flags: OpenFlags) -> int:
    """eventfd2(2)."""
    if flags & ~(f.O_CLOEXEC | f.O_NONBLOCK | f.EFD_SEMAPHORE):
        raise SyscallError(Errno.EINVAL)
    file = OpenEvent(
        anonymous_inode(thread.process.kernel), flags & f.O_NONBLOCK, count, bool(flags & f.EFD_SEMAPHORE)
    )
    return install(thread, file, bool(flags & f.O_CLOEXEC))


@syscall()
def eventfd(thread: Thread, count: UnsignedInt) -> int:
    """eventfd(2)."""
    return eventfd2(thread, count, 0)


@syscall()
def timerfd_create(thread: Thread, clock: Int, flags: OpenFlags) -> int:
    """timerfd_create(2)."""
    if flags & ~(f.O_CLOEXEC | f.O_NONBLOCK):
        raise SyscallError(Errno.EINVAL)
    kernel = thread.process.kernel
    clock_now(kernel, thread, clock)
    file = OpenTimer(anonymous_inode(kernel), flags & f.O_NONBLOCK, kernel, clock)
    return install(thread, file, bool(flags & f.O_CLOEXEC))


def timer_file(thread: Thread, fd: int) -> OpenTimer:
    """The timerfd behind a descriptor."""
    file = thread.process.files.get(fd)
    if not isinstance(file, OpenTimer):
        raise SyscallError(Errno.EINVAL)
    return file


@syscall("timerfd_settime", "timerfd_settime64")
def timerfd_settime(thread: Thread, fd: FileDescriptor, flags: Int, new: Address, old: Address) -> int:
    """timerfd_settime(2)."""
    file = timer_file(thread, fd)
    size = timespec_layout(thread).size
    interval, value = read_timespec(thread, new), read_timespec(thread, new + size)
    before = file.setting()
    if value and flags & f.TFD_TIMER_ABSTIME:
        value = max(1, value - clock_now(thread.process.kernel, thread, file.clock))
    file.arm(value, interval)
    if old:
        write_timespec(thread, old, before[0])
        write_timespec(thread, old + size, before[1])
    return 0


@syscall("timerfd_gettime", "timerfd_gettime64")
def timerfd_gettime(thread: Thread, fd: FileDescriptor, address: Address) -> int:
    """timerfd_gettime(2)."""
    interval, left = timer_file(thread, fd).setting()
    write_timespec(thread, address, interval)
    write_timespec(thread, address + timespec_layout(thread).size, left)
    return 0


@syscall()
def signalfd4(thread: Thread, fd: Int, mask: Address, size: Size, flags: OpenFlags) -> int:
    """signalfd4(2)."""
    check_set_size(size)
    if flags & ~(f.O_CLOEXEC | f.O_NONBLOCK):
        raise SyscallError(Errno.EINVAL)
    wanted = read_set(thread, mask) & ~UNBLOCKABLE
    if fd != -1:
        file = thread.process.files.get(fd)
        if not isinstance(file, OpenSignals):
            raise SyscallError(Errno.EINVAL)
        file.mask = wanted
        return fd
    opened = OpenSignals(anonymous_inode(thread.process.kernel), flags & f.O_NONBLOCK, wanted, thread.process)
    return install(thread, opened, bool(flags & f.O_CLOEXEC))


@syscall()
def signalfd(thread: Thread, fd: Int, mask: Address, size: Size) -> int:
    """signalfd(2)."""
    return signalfd4(thread, fd, mask, size, 0)
