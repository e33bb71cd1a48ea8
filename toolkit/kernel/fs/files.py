"""Open files: what a descriptor stands for, and the table that maps numbers to them.

An `OpenFile` is Linux's open file description: shared by dup and fork, it holds the position and the status flags.
It is also what an area of memory maps (`mm.pages.Backing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.vfs import Directory, Inode, RegularFile
from toolkit.kernel.waiting import WaitQueue

if TYPE_CHECKING:
    from toolkit.kernel.mm.page_cache import PageCache
    from toolkit.kernel.task import Thread

ALWAYS_READY = f.POLLIN | f.POLLOUT | f.POLLRDNORM | f.POLLWRNORM
FILE_SIZE_MAXIMUM = (1 << 63) - 1


class OpenFile:
    """A file as opened: `flags` are open(2)'s, `references` counts the descriptors that share it."""

    seekable = False
    ignores_data = False
    """A write succeeds without looking at the bytes, as /dev/null's."""

    def __init__(self, inode: Inode, flags: int, path: bytes = b"") -> None:
        self.node = inode
        self.flags = flags
        self.position = 0
        self.references = 0
        self.path = path
        self.place = inode.place
        self.deleted = False
        """It never had a name: memfd."""
        self.can_read = flags & f.O_ACCMODE != f.O_WRONLY and not flags & f.O_PATH
        self.can_write = flags & f.O_ACCMODE in (f.O_WRONLY, f.O_RDWR) and not flags & f.O_PATH

    # --- what mm asks of a mapped file ----------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The path as /proc/PID/maps shows it."""
        return self.shown_path().decode("utf-8", "surrogateescape")

    def shown_path(self) -> bytes:
        """The present path, with " (deleted)" when no name leads here any more (d_path)."""
        for place in (self.place, self.node.place):
            if place is not None and place[0].entries.get(place[1]) is self.node:
                return place[0].path().rstrip(b"/") + b"/" + place[1]
        if self.node.place is None and not self.deleted:
            return self.path
        return self.path + b" (deleted)"

    @property
    def device(self) -> tuple[int, int]:
        number = self.node.system.device
        return number >> 8, number & 0xFF

    @property
    def inode(self) -> int:
        """The inode's number."""
        return self.node.number

    @property
    def pages(self) -> PageCache:
        raise SyscallError(Errno.ENODEV)

    @property
    def readable(self) -> bool:
        return self.can_read

    @property
    def writable(self) -> bool:
        return self.can_write

    @property
    def mappable(self) -> bool:
        return False

    @property
    def executable(self) -> bool:
        return True

    # --- what system calls ask ------------------------------------------------------------------------------

    @property
    def nonblocking(self) -> bool:
        return bool(self.flags & f.O_NONBLOCK)

    def read(self, thread: Thread, count: int) -> bytes:
        """Read at the position, or raise Blocked."""
        raise SyscallError(Errno.EINVAL)

    def write(self, thread: Thread, data: bytes) -> int:
        """Write at the position, or raise Blocked."""
        raise SyscallError(Errno.EINVAL)

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        """pread(2)."""
        raise SyscallError(Errno.ESPIPE)

    def write_at(self, thread: Thread, data: bytes, offset: int) -> int:
        """pwrite(2)."""
        raise SyscallError(Errno.ESPIPE)

    def seek(self, offset: int, whence: int) -> int:
        """lseek(2)."""
        raise SyscallError(Errno.ESPIPE)

    def truncate(self, size: int) -> None:
        """ftruncate(2)."""
        raise SyscallError(Errno.EINVAL)

    def poll(self, thread: Thread) -> int:
        """The POLL bits that hold now."""
        return ALWAYS_READY

    def poll_queues(self) -> tuple[WaitQueue, ...]:
        """What wakes a poller."""
        return ()

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        """ioctl(2); ENOTTY for requests the file doesn't know."""
        raise SyscallError(Errno.ENOTTY)

    def closed(self, thread: Thread | None) -> None:
        """The last descriptor is gone."""


class OpenRegular(OpenFile):
    """A regular file."""

    seekable = True

    def __init__(self, inode: RegularFile, flags: int, path: bytes = b"") -> None:
        super().__init__(inode, flags, path)
        self.file = inode
        if self.can_write:
            inode.writers += 1

    @property
    def pages(self) -> PageCache:
        return self.file.pages

    @property
    def mappable(self) -> bool:
        return True

    def read(self, thread: Thread, count: int) -> bytes:
        data = self.file.pages.read(self.position, count)
        self.position += len(data)
        if not self.flags & f.O_NOATIME:
            self.file.times.accessed = self.file.system.now()
        return data

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        return self.file.pages.read(offset, count)

    def write(self, thread: Thread, data: bytes) -> int:
        if self.flags & f.O_APPEND:
            self.position = self.file.size
        written = self.write_at(thread, data, self.position, appending=True)
        self.position += written
        return written

    def write_at(self, thread: Thread, data: bytes, offset: int, appending: bool = False) -> int:
        if self.flags & f.O_APPEND and not appending:
            offset = self.file.size
        if not data:
            return 0
        room = thread.process.kernel.file_room(thread, offset)
        if (self.file.seals >= 0 and self.file.seals & 0x8) or room <= 0:
            raise SyscallError(Errno.EPERM if room > 0 else Errno.EFBIG)
        data = data[:room]
        thread.process.kernel.account_storage(self.file, offset + len(data))
        self.file.pages.write(offset, data)
        self.file.touch()
        if self.file.mode & (f.S_ISUID | f.S_ISGID) and thread.process.credentials.fsuid:
            self.file.mode &= ~f.S_ISUID
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        size = self.file.size
        if whence in (f.SEEK_DATA, f.SEEK_HOLE):
            if not 0 <= offset < size:
                raise SyscallError(Errno.ENXIO)
            target = offset if whence == f.SEEK_DATA else size
        elif whence in (f.SEEK_SET, f.SEEK_CUR, f.SEEK_END):
            target = offset + (0, self.position, size)[whence]
        else:
            raise SyscallError(Errno.EINVAL)
        if target < 0:
            raise SyscallError(Errno.EINVAL)
        if target > FILE_SIZE_MAXIMUM:
            raise SyscallError(Errno.EOVERFLOW)
        self.position = target
        return target

    def truncate(self, size: int) -> None:
        self.file.pages.truncate(size)
        self.file.touch()

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        if request == f.FIONREAD:
            thread.memory.write(argument, max(0, self.file.size - self.position).to_bytes(4, "little"))
            return 0
        return super().ioctl(thread, request, argument)

    def closed(self, thread: Thread | None) -> None:
        if self.can_write:
            self.file.writers -= 1


class OpenDirectory(OpenFile):
    """A directory: read with getdents."""

    def __init__(self, inode: Directory, flags: int, path: bytes = b"") -> None:
        super().__init__(inode, flags, path)
        self.directory = inode
        self.listing: list[tuple[bytes, Inode]] | None = None

    def shown_path(self) -> bytes:
        path = self.directory.path()
        return path + b" (deleted)" if self.directory.removed else path

    def read(self, thread: Thread, count: int) -> bytes:
        raise SyscallError(Errno.EISDIR)

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        raise SyscallError(Errno.EISDIR)

    def entries(self) -> list[tuple[bytes, Inode]]:
        """All names, . and .. first, as they were when reading began."""
        if self.listing is None or self.position == 0:
            here = self.directory
            self.listing = [(b".", here), (b"..", here.parent), *here.names()]
        return self.listing

    def seek(self, offset: int, whence: int) -> int:
        if whence == f.SEEK_CUR:
            offset += self.position
        elif whence != f.SEEK_SET:
            raise SyscallError(Errno.EINVAL)
        if offset < 0:
            raise SyscallError(Errno.EINVAL)
        self.position = offset
        return offset


class OpenPath(OpenFile):
    """O_PATH: a place in the tree and no more (open(2))."""

    def read(self, thread: Thread, count: int) -> bytes:
        raise SyscallError(Errno.EBADF)

    write = read  # type: ignore[assignment]


class FileTable:
    """Descriptor → open file, and which descriptors close on exec."""

    __slots__ = ("_lowest_free", "close_on_exec", "open", "references")

    def __init__(self) -> None:
        self.open: dict[int, OpenFile] = {}
        self.close_on_exec: set[int] = set()
        self.references = 1
        # Invariant: every descriptor below this one is open.
        self._lowest_free = 0

    def get(self, descriptor: int) -> OpenFile:
        """The open file, O_PATH ones too; EBADF."""
        file = self.open.get(descriptor)
        if file is None:
            raise SyscallError(Errno.EBADF)
        return file

    def add(self, file: OpenFile, limit: int, close_on_exec: bool = False, lowest: int = 0) -> int:
        """Give the file the lowest free descriptor from `lowest`; EMFILE at the limit."""
        descriptor = max(lowest, self._lowest_free)
        table = self.open
        while descriptor in table:
            descriptor += 1
        if lowest <= self._lowest_free:
            self._lowest_free = descriptor
        if descriptor >= limit:
            raise SyscallError(Errno.EMFILE)
        self.put(descriptor, file, close_on_exec)
        return descriptor

    def put(self, descriptor: int, file: OpenFile, close_on_exec: bool = False) -> None:
        """Enter the file under a free number."""
        file.references += 1
        self.open[descriptor] = file
        if close_on_exec:
            self.close_on_exec.add(descriptor)

    def close(self, descriptor: int, thread: Thread | None) -> None:
        """close(2): EBADF."""
        file = self.open.pop(descriptor, None)
        if file is None:
            raise SyscallError(Errno.EBADF)
        self.close_on_exec.discard(descriptor)
        self._lowest_free = min(self._lowest_free, descriptor)
        release(file, thread)

    def close_all(self, thread: Thread | None = None) -> None:
        """The process is gone."""
        for descriptor in sorted(self.open):
            self.close(descriptor, thread)

    def copy(self) -> FileTable:
        """What fork makes."""
        table = FileTable()
        table.open = dict(self.open)
        table.close_on_exec = set(self.close_on_exec)
        for file in table.open.values():
            file.references += 1
        return table

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.open))


def release(file: OpenFile, thread: Thread | None) -> None:
    """Drop one reference to an open file."""
    file.references -= 1
    if file.references == 0:
        file.closed(thread)
