"""Pipes and fifos (pipe(7))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.abi.signals import SI_USER, Signal
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile
from toolkit.kernel.fs.vfs import Fifo
from toolkit.kernel.signals import SignalInfo, send
from toolkit.kernel.waiting import Blocked, WaitQueue

if TYPE_CHECKING:
    from toolkit.kernel.task import Thread

POLL_READ = f.POLLIN | f.POLLRDNORM
POLL_WRITE = f.POLLOUT | f.POLLWRNORM


class Pipe:
    """A bounded queue of bytes with counted ends."""

    __slots__ = ("can_read", "can_write", "capacity", "data", "meetings", "readers", "writers")

    def __init__(self, name: str = "pipe") -> None:
        self.data = bytearray()
        self.capacity = f.PIPE_CAPACITY
        self.readers = 0
        self.writers = 0
        self.meetings = 0
        """How often a fifo's end was opened."""
        self.can_read = WaitQueue(f"data in a {name}")
        self.can_write = WaitQueue(f"room in a {name}")


class OpenPipe(OpenFile):
    """One end of a pipe, or both of a fifo opened for reading and writing."""

    def __init__(self, inode: Fifo, pipe: Pipe, flags: int, path: bytes = b"") -> None:
        super().__init__(inode, flags, path)
        self.pipe = pipe
        self.waited_for = 0
        pipe.readers += self.can_read
        pipe.writers += self.can_write

    def shown_path(self) -> bytes:
        return super().shown_path() if self.node.place else b"pipe:[%d]" % self.node.number

    def read(self, thread: Thread, count: int) -> bytes:
        pipe = self.pipe
        if not count:
            return b""
        if pipe.data:
            taken = bytes(pipe.data[:count])
            del pipe.data[:count]
            pipe.can_write.wake()
            return taken
        if not pipe.writers:
            return b""
        if self.nonblocking:
            raise SyscallError(Errno.EAGAIN)
        raise Blocked(pipe.can_read)

    def write(self, thread: Thread, data: bytes) -> int:
        pipe = self.pipe
        done: int = thread.sleep.get("written", 0)
        if not pipe.readers:
            if done:
                return done
            send(thread.process, SignalInfo(Signal.SIGPIPE, SI_USER, pid=thread.process.pid), thread)
            raise SyscallError(Errno.EPIPE)
        left = len(data) - done
        room = pipe.capacity - len(pipe.data)
        if left > room and (left <= f.PIPE_BUF or room == 0):
            return self._wait(thread, done)
        if left:
            pipe.data += data[done : done + room]
            pipe.can_read.wake()
            done += min(left, room)
        if done < len(data):
            return self._wait(thread, done)
        return done

    def _wait(self, thread: Thread, done: int) -> int:
        """The pipe is full: a partial count, EAGAIN, or sleep."""
        if self.nonblocking:
            if done:
                return done
            raise SyscallError(Errno.EAGAIN)
        thread.sleep["written"] = done
        raise Blocked(self.pipe.can_write, interrupted=(lambda: done) if done else None)

    def poll(self, thread: Thread) -> int:
        pipe, ready = self.pipe, 0
        if self.can_read:
            ready |= POLL_READ if pipe.data else 0
            ready |= f.POLLHUP if not pipe.writers else 0
        if self.can_write:
            ready |= POLL_WRITE if len(pipe.data) <= pipe.capacity - f.PIPE_BUF else 0
            ready |= f.POLLERR if not pipe.readers else 0
        return ready

    def poll_queues(self) -> tuple[WaitQueue, ...]:
        return self.pipe.can_read, self.pipe.can_write

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        if request == f.FIONREAD:
            thread.memory.write(argument, len(self.pipe.data).to_bytes(4, "little"))
            return 0
        return super().ioctl(thread, request, argument)

    def closed(self, thread: Thread | None) -> None:
        self.pipe.readers -= self.can_read
        self.pipe.writers -= self.can_write
        self.pipe.can_read.wake()
        self.pipe.can_write.wake()
        if isinstance(self.node, Fifo) and not self.pipe.readers and not self.pipe.writers:
            self.node.pipe = None
