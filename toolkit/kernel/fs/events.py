"""Files that are events: epoll, eventfd, timerfd, signalfd (anonymous inodes)."""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile
from toolkit.kernel.fs.vfs import Inode
from toolkit.kernel.signals import SignalInfo
from toolkit.kernel.waiting import Blocked, WaitQueue

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.scheduler import Timer
    from toolkit.kernel.task import Process, Thread

COUNTER_MAXIMUM = (1 << 64) - 2
EDGE_KEPT = f.EPOLLET | f.EPOLLONESHOT | f.EPOLLEXCLUSIVE
SIGINFO_SIZE = 128


def anonymous_inode(kernel: Kernel) -> Inode:
    """The inode of a file without a place."""
    return Inode(kernel.files.pipe_system, 0o600)


@dataclass
class Interest:
    """One watched descriptor; `reported` is what an edge-triggered watch saw last."""

    file: OpenFile
    events: int
    data: int
    reported: int = 0
    armed: bool = True


class OpenEpoll(OpenFile):
    """An epoll instance (epoll(7))."""

    def __init__(self, inode: Inode) -> None:
        super().__init__(inode, f.O_RDWR, b"anon_inode:[eventpoll]")
        self.interests: dict[tuple[int, int], Interest] = {}
        self.changed = WaitQueue("epoll")

    def control(self, operation: int, fd: int, file: OpenFile, events: int, data: int) -> None:
        """EPOLL_CTL_ADD, MOD, DEL. EEXIST, ENOENT, EPERM for files that are always ready."""
        key = fd, id(file)
        self._forget_closed()
        if file.seekable:
            raise SyscallError(Errno.EPERM)
        if operation == f.EPOLL_CTL_ADD:
            if key in self.interests:
                raise SyscallError(Errno.EEXIST)
            self.interests[key] = Interest(file, events, data)
        elif key not in self.interests:
            raise SyscallError(Errno.ENOENT if operation in (2, 3) else Errno.EINVAL)
        elif operation == f.EPOLL_CTL_DEL:
            del self.interests[key]
        elif operation == f.EPOLL_CTL_MOD:
            self.interests[key] = Interest(file, events, data)
        else:
            raise SyscallError(Errno.EINVAL)
        self.changed.wake()

    def _forget_closed(self) -> None:
        for key, interest in tuple(self.interests.items()):
            if not interest.file.references:
                del self.interests[key]

    def collect(self, thread: Thread, limit: int) -> list[tuple[int, int]]:
        """Up to `limit` ready events."""
        self._forget_closed()
        found: list[tuple[int, int]] = []
        for interest in self.interests.values():
            ready = interest.file.poll(thread) & (interest.events & 0xFFFF | f.POLLERR | f.POLLHUP)
            fresh = ready & ~interest.reported if interest.events & f.EPOLLET else ready
            if interest.events & f.EPOLLET:
                interest.reported = ready
            if fresh and interest.armed and len(found) < limit:
                found.append((ready, interest.data))
                if interest.events & f.EPOLLONESHOT:
                    interest.armed = False
        return found

    def poll(self, thread: Thread) -> int:
        for interest in self.interests.values():
            if interest.armed and interest.file.poll(thread) & (
                interest.events & 0xFFFF | f.POLLERR | f.POLLHUP
            ):
                return f.POLLIN | f.POLLRDNORM
        return 0

    def poll_queues(self) -> tuple[WaitQueue, ...]:
        queues = [self.changed]
        for interest in self.interests.values():
            queues.extend(interest.file.poll_queues())
        return tuple(dict.fromkeys(queues))


class OpenEvent(OpenFile):
    """An eventfd (eventfd(2))."""

    def __init__(self, inode: Inode, flags: int, count: int, semaphore: bool) -> None:
        super().__init__(inode, f.O_RDWR | flags, b"anon_inode:[eventfd]")
        self.count = count
        self.semaphore = semaphore
        self.changed = WaitQueue("an eventfd")

    def read(self, thread: Thread, count: int) -> bytes:
        if count < 8:
            raise SyscallError(Errno.EINVAL)
        if not self.count:
            if self.nonblocking:
                raise SyscallError(Errno.EAGAIN)
            raise Blocked(self.changed)
        value = 1 if self.semaphore else self.count
        self.count -= value
        self.changed.wake()
        return value.to_bytes(8, "little")

    def write(self, thread: Thread, data: bytes) -> int:
        if len(data) < 8:
            raise SyscallError(Errno.EINVAL)
        value = int.from_bytes(data[:8], "little")
        if value > COUNTER_MAXIMUM:
            raise SyscallError(Errno.EINVAL)
        if self.count + value > COUNTER_MAXIMUM:
            if self.nonblocking:
                raise SyscallError(Errno.EAGAIN)
            raise Blocked(self.changed)
        self.count += value
        self.changed.wake()
        return 8

    def poll(self, thread: Thread) -> int:
        ready = f.POLLIN | f.POLLRDNORM if self.count else 0
        return ready | (f.POLLOUT | f.POLLWRNORM if self.count < COUNTER_MAXIMUM else 0)

    def poll_queues(self) -> tuple[WaitQueue, ...]:
        return (self.changed,)


class OpenTimer(OpenFile):
    """A timerfd (timerfd_create(2))."""

    def __init__(self, inode: Inode, flags: int, kernel: Kernel, clock: int) -> None:
        super().__init__(inode, f.O_RDWR | flags, b"anon_inode:[timerfd]")
        self.clock = clock
        self._kernel = kernel
        self._interval = 0
        self._expirations = 0
        self._timer: Timer | None = None
        self.changed = WaitQueue("a timerfd")

    def arm(self, delay: int, interval: int) -> None:
        """Fire after `delay` ns and then every `interval`; 0 disarms."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._expirations = 0
        self._interval = interval
        if delay:
            self._timer = self._kernel.scheduler.at(self._kernel.clock.now + delay, self._due)

    def _due(self) -> None:
        when = self._timer.when if self._timer is not None else self._kernel.clock.now
        self._timer = None
        self._expirations += 1
        if self._interval:
            missed = max(0, self._kernel.clock.now - when) // self._interval
            self._expirations += missed
            self._timer = self._kernel.scheduler.at(when + (missed + 1) * self._interval, self._due)
        self.changed.wake()

    def setting(self) -> tuple[int, int]:
        """(interval, time left)."""
        left = max(1, self._timer.when - self._kernel.clock.now) if self._timer is not None else 0
        return self._interval, left

    def read(self, thread: Thread, count: int) -> bytes:
        if count < 8:
            raise SyscallError(Errno.EINVAL)
        if not self._expirations:
            if self.nonblocking:
                raise SyscallError(Errno.EAGAIN)
            raise Blocked(self.changed)
        value, self._expirations = self._expirations, 0
        return value.to_bytes(8, "little")

    def poll(self, thread: Thread) -> int:
        return f.POLLIN | f.POLLRDNORM if self._expirations else 0

    def poll_queues(self) -> tuple[WaitQueue, ...]:
        return (self.changed,)

    def closed(self, thread: Thread | None) -> None:
        self.arm(0, 0)


class OpenSignals(OpenFile):
    """A signalfd (signalfd(2))."""

    def __init__(self, inode: Inode, flags: int, mask: int, process: Process) -> None:
        super().__init__(inode, f.O_RDWR | flags, b"anon_inode:[signalfd]")
        self.mask = mask
        self.arrived = WaitQueue("a signal")
        self._process = process
        process.signal_watchers.append(self.arrived)

    def read(self, thread: Thread, count: int) -> bytes:
        if count < SIGINFO_SIZE:
            raise SyscallError(Errno.EINVAL)
        taken: list[bytes] = []
        while len(taken) < count // SIGINFO_SIZE:
            info = thread.pending.take(self.mask) or thread.process.pending.take(self.mask)
            if info is None:
                break
            taken.append(signalfd_info(info))
        thread.signals_changed()
        if taken:
            return b"".join(taken)
        if self.nonblocking:
            raise SyscallError(Errno.EAGAIN)
        raise Blocked(self.arrived)

    def poll(self, thread: Thread) -> int:
        pending = (thread.pending.mask | thread.process.pending.mask) & self.mask
        return f.POLLIN | f.POLLRDNORM if pending else 0

    def poll_queues(self) -> tuple[WaitQueue, ...]:
        return (self.arrived,)

    def closed(self, thread: Thread | None) -> None:
        if self.arrived in self._process.signal_watchers:
            self._process.signal_watchers.remove(self.arrived)


def signalfd_info(info: SignalInfo) -> bytes:
    """struct signalfd_siginfo."""
    head = pack(
        "<IiiIIiIIIIiiQQQQ", info.signal, 0, info.code, info.pid, info.uid, 0, info.timer, 0, info.overrun, 0,
        info.status, info.value & 0x7FFFFFFF, info.value, info.user_time, info.system_time, info.address,
    )  # fmt: skip
    return head.ljust(SIGINFO_SIZE, b"\0")
