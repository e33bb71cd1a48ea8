"""Character devices of /dev: null, zero, full, random, urandom, tty (mem(4), random(4), tty(4))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile
from toolkit.kernel.fs.streams import OpenTerminal
from toolkit.kernel.fs.vfs import (
    DEVICE_DEVICE,
    MEMORY_DEVICE,
    Device,
    Directory,
    FileSystem,
    Inode,
    Symlink,
)
from toolkit.kernel.mm.page_cache import PageCache

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Thread

NODES = (
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
)
LINKS = (
    ("fd", b"/proc/self/fd"),
    ("stdin", b"/proc/self/fd/0"),
    ("stdout", b"/proc/self/fd/1"),
    ("stderr", b"/proc/self/fd/2"),
)


class OpenDevice(OpenFile):
    """null, zero, full and the random devices; `seek` does nothing and succeeds, as the drivers do."""

    def __init__(self, inode: Device, flags: int, path: bytes) -> None:
        super().__init__(inode, flags, path)
        self.driver = inode.driver
        self.ignores_data = inode.driver in ("null", "zero")

    def read(self, thread: Thread, count: int) -> bytes:
        if self.driver == "null":
            return b""
        if self.driver in ("random", "urandom"):
            return thread.process.kernel.random_bytes(min(count, 1 << 20))
        return bytes(min(count, 1 << 24))

    def write(self, thread: Thread, data: bytes) -> int:
        if self.driver == "full":
            raise SyscallError(Errno.ENOSPC)
        return len(data)

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        return self.read(thread, count)

    def write_at(self, thread: Thread, data: bytes, offset: int) -> int:
        return self.write(thread, data)

    def seek(self, offset: int, whence: int) -> int:
        self.position = 0
        return 0


class OpenZero(OpenDevice):
    """/dev/zero: each open one maps pages of its own when shared; private mappings are anonymous memory."""

    zero_device = True
    """Mapped privately it is anonymous memory, mapped shared it is shared anonymous memory (mmap_zero)."""

    @property
    def mappable(self) -> bool:
        return True

    @property
    def pages(self) -> PageCache:
        cache: PageCache | None = getattr(self, "_pages", None)
        if cache is None:
            cache = self._pages = PageCache(self.kernel.frames, None, 1 << 46)
        return cache

    kernel: Kernel


def open_device(kernel: Kernel, thread: Thread, inode: Device, flags: int, path: bytes) -> OpenFile:
    """What open(2) makes of a device; ENXIO without a terminal behind /dev/tty."""
    if inode.driver == "tty":
        if kernel.terminal is None:
            raise SyscallError(Errno.ENXIO)
        return OpenTerminal(inode, kernel.terminal, flags)
    if inode.driver == "zero":
        zero = OpenZero(inode, flags, path)
        zero.kernel = kernel
        return zero
    return OpenDevice(inode, flags, path)


class DeviceDirectory(Directory):
    """/dev, filled when it is first looked at."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(FileSystem(lambda: kernel.clock.realtime, DEVICE_DEVICE, 1))
        self._filled = False

    def _fill(self) -> None:
        if self._filled:
            return
        self._filled = True
        for name, major, minor in NODES:
            self.add(name.encode(), Device(self.system, 0o666, major, minor, name))
        for name, target in LINKS:
            self.add(name.encode(), Symlink(self.system, target))
        self.add(b"shm", Directory(FileSystem(self.system.now, MEMORY_DEVICE, 1), 0o1777))
        pts = Directory(self.system)
        pts.add(b"0", Device(self.system, 0o620, 136, 0, "tty"))
        self.add(b"pts", pts)

    def lookup(self, name: bytes) -> Inode | None:
        self._fill()
        return super().lookup(name)

    def names(self) -> Iterator[tuple[bytes, Inode]]:
        self._fill()
        return super().names()
