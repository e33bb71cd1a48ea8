"""The kinds of files in /proc, by how a read gives their bytes: made of records, cut from a buffer, a process's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import FILE_SIZE_MAXIMUM, OpenFile
from toolkit.kernel.fs.sequences import OpenSequence, Records
from toolkit.kernel.fs.vfs import FileSystem, Inode

if TYPE_CHECKING:
    from toolkit.kernel.mm.space import AddressSpace
    from toolkit.kernel.task import Process, Thread

Store = Callable[["Thread", bytes], None]
SMALL_FILE_MAXIMUM = (1 << 31) - 1
"""The largest position in files whose lseek is the general one (MAX_NON_LFS)."""


class RecordFile(Inode):
    """A file that is made of records when it is read."""

    def __init__(self, system: FileSystem, records: Callable[[], Records], mode: int = 0o444) -> None:
        """``records`` is called when the file is opened."""
        super().__init__(system, f.S_IFREG | mode)
        self._records = records

    def open(self, thread: Thread, flags: int, path: bytes) -> OpenFile:
        return OpenSequence(self, flags, path, self._records())


class BufferFile(Inode):
    """A file of which a read takes a piece, rendered anew each time (simple_read_from_buffer)."""

    last_position = FILE_SIZE_MAXIMUM
    whole_only = False
    """A read that does not begin at 0 gives nothing."""

    def __init__(
        self, system: FileSystem, render: Callable[[], bytes], mode: int = 0o444, store: Store | None = None
    ) -> None:
        super().__init__(system, f.S_IFREG | (mode if store is None else 0o644))
        self.render = render
        self.store = store

    def open(self, thread: Thread, flags: int, path: bytes) -> OpenFile:
        return OpenBuffer(self, flags, path)


class NumberFile(BufferFile):
    """Numbers below /proc/sys (proc_dointvec)."""

    whole_only = True


class StringsFile(BufferFile):
    """Arguments, environment and the like (generic_file_llseek)."""

    last_position = SMALL_FILE_MAXIMUM


class OpenBuffer(OpenFile):
    """A buffer file being read or written."""

    seekable = True
    node: BufferFile

    def read(self, thread: Thread, count: int) -> bytes:
        data = self.read_at(thread, count, self.position)
        self.position += len(data)
        return data

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        if offset and self.node.whole_only:
            return b""
        return self.node.render()[offset : offset + count]

    def write(self, thread: Thread, data: bytes) -> int:
        if self.node.store is None:
            raise SyscallError(Errno.EIO)
        self.node.store(thread, data)
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        if whence in (f.SEEK_DATA, f.SEEK_HOLE):
            raise SyscallError(Errno.ENXIO)
        base = {f.SEEK_SET: 0, f.SEEK_CUR: self.position, f.SEEK_END: 0}.get(whence)
        if base is None or not 0 <= base + offset <= self.node.last_position:
            raise SyscallError(Errno.EINVAL)
        self.position = base + offset
        return self.position


class ProcessMemoryFile(Inode):
    """A file that needs the process's memory to be opened, and belongs to that memory from then on."""

    def __init__(
        self,
        system: FileSystem,
        process: Process,
        mode: int,
        opened: Callable[[Inode, Process, int, bytes], OpenFile],
    ) -> None:
        super().__init__(system, f.S_IFREG | mode)
        self._process = process
        self._opened = opened

    def open(self, thread: Thread, flags: int, path: bytes) -> OpenFile:
        """ESRCH for a zombie, which has no memory any more."""
        if self._process.dead:
            raise SyscallError(Errno.ESRCH)
        return self._opened(self, self._process, flags, path)


class OpenMemory(OpenFile):
    """/proc/PID/mem: the process's memory at the file's position."""

    seekable = True

    def __init__(self, inode: Inode, process: Process, flags: int, path: bytes) -> None:
        super().__init__(inode, flags, path)
        self.memory = process.memory

    def read(self, thread: Thread, count: int) -> bytes:
        data = self.read_at(thread, count, self.position)
        self.position += len(data)
        return data

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        if is_gone(self.memory) or not count:
            return b""
        data = self.memory.read_available(offset, min(count, 1 << 24))
        if not data:
            raise SyscallError(Errno.EIO)
        return data

    def write(self, thread: Thread, data: bytes) -> int:
        written = self.write_at(thread, data, self.position)
        self.position += written
        return written

    def write_at(self, thread: Thread, data: bytes, offset: int) -> int:
        if is_gone(self.memory):
            return 0
        try:
            self.memory.poke(offset, data)
        except SyscallError:
            raise SyscallError(Errno.EIO) from None
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        base = {f.SEEK_SET: 0, f.SEEK_CUR: self.position}.get(whence)
        if base is None:
            raise SyscallError(Errno.EINVAL)
        self.position = (base + offset) & (1 << 64) - 1
        return self.position


class OpenPagemap(OpenMemory):
    """/proc/PID/pagemap: a 64-bit word for each virtual page."""

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        from toolkit.kernel.fs import procfs_memory

        if is_gone(self.memory):
            return b""
        if offset % 8 or count % 8:
            raise SyscallError(Errno.EINVAL)
        privileged = thread.process.credentials.euid == 0
        return procfs_memory.pagemap(
            self.memory, offset // 8, min(count // 8, 1 << 16), privileged=privileged
        )


def is_gone(memory: AddressSpace) -> bool:
    """Whether the process ended or executed another program since (mmget_not_zero fails)."""
    return memory not in memory.frames.spaces


def process_records(process: Process, records: Records) -> Records:
    """Records that end in ESRCH once the process has been waited for."""

    def checked(cursor: int) -> tuple[bytes, int] | None:
        if process.reaped:
            raise SyscallError(Errno.ESRCH)
        return records(cursor)

    return checked
