"""/proc, made of small functions: a file's bytes are rendered when it is opened and then stay (proc(5))."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile
from toolkit.kernel.fs.procfs_text import (
    PROCESS_FILES,
    SETTINGS,
    SYSCTL,
    SYSTEM_FILES,
    SYSVIPC,
    Render,
    Setting,
    SystemRender,
)
from toolkit.kernel.fs.vfs import PROC_DEVICE, Directory, FileSystem, Inode, Symlink

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process, Thread


class ProcFile(Inode):
    """A file whose bytes a function makes."""

    def __init__(
        self,
        system: FileSystem,
        render: Callable[[], bytes],
        mode: int = 0o444,
        store: Callable[[Thread, bytes], None] | None = None,
    ) -> None:
        super().__init__(system, f.S_IFREG | (mode if store is None else 0o644))
        self.render = render
        self.store = store

    def open(self, thread: Thread, flags: int, path: bytes) -> OpenFile:
        """Render now."""
        return OpenProcFile(self, flags, path)


class OpenProcFile(OpenFile):
    """A rendered file being read."""

    seekable = True
    node: ProcFile

    def __init__(self, inode: ProcFile, flags: int, path: bytes) -> None:
        super().__init__(inode, flags, path)
        self._data: bytes | None = None

    def _content(self) -> bytes:
        if self._data is None or self.position == 0:
            self._data = self.node.render()
        return self._data

    def read(self, thread: Thread, count: int) -> bytes:
        data = self._content()[self.position : self.position + count]
        self.position += len(data)
        return data

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        return self._content()[offset : offset + count]

    def write(self, thread: Thread, data: bytes) -> int:
        if self.node.store is None:
            raise SyscallError(Errno.EIO)
        self.node.store(thread, data)
        self._data = None
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        base = {f.SEEK_SET: 0, f.SEEK_CUR: self.position}.get(whence)
        if base is None or base + offset < 0:
            raise SyscallError(Errno.EINVAL)
        self.position = base + offset
        return self.position


class OpenMemory(OpenFile):
    """/proc/PID/mem: the process's memory at the file's position."""

    seekable = True

    def __init__(self, inode: Inode, process: Process, flags: int, path: bytes) -> None:
        super().__init__(inode, flags, path)
        self._process = process

    def read(self, thread: Thread, count: int) -> bytes:
        data = self.read_at(thread, count, self.position)
        self.position += len(data)
        return data

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        if self._process.dead or not count:
            return b""
        data = self._process.memory.read_available(offset, min(count, 1 << 24))
        if not data:
            raise SyscallError(Errno.EIO)
        return data

    def write(self, thread: Thread, data: bytes) -> int:
        written = self.write_at(thread, data, self.position)
        self.position += written
        return written

    def write_at(self, thread: Thread, data: bytes, offset: int) -> int:
        try:
            self._process.memory.poke(offset, data)
        except SyscallError:
            raise SyscallError(Errno.EIO) from None
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        base = {f.SEEK_SET: 0, f.SEEK_CUR: self.position}.get(whence)
        if base is None:
            raise SyscallError(Errno.EINVAL)
        self.position = (base + offset) & (1 << 64) - 1
        return self.position


class MemoryFile(ProcFile):
    """/proc/PID/mem."""

    def __init__(self, system: FileSystem, process: Process) -> None:
        super().__init__(system, lambda: b"", 0o600)
        self.uid = process.credentials.uid
        self._process = process

    def open(self, thread: Thread, flags: int, path: bytes) -> OpenFile:
        return OpenMemory(self, self._process, flags, path)


class PagemapFile(ProcFile):
    """/proc/PID/pagemap."""

    def __init__(self, system: FileSystem, process: Process) -> None:
        super().__init__(system, lambda: b"", 0o400)
        self.uid = process.credentials.uid
        self._process = process

    def open(self, thread: Thread, flags: int, path: bytes) -> OpenFile:
        return OpenPagemap(self, self._process, flags, path)


class OpenPagemap(OpenMemory):
    """A 64-bit word for each virtual page."""

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        from toolkit.kernel.fs import procfs_memory

        if offset % 8 or count % 8:
            raise SyscallError(Errno.EINVAL)
        privileged = thread.process.credentials.euid == 0
        return procfs_memory.pagemap(
            self._process.memory, offset // 8, min(count // 8, 1 << 16), privileged=privileged
        )


class ProcLink(Symlink):
    """A link whose text is made when it is read; `jump` leads to the inode itself."""

    def __init__(
        self,
        system: FileSystem,
        text: Callable[[Process], bytes],
        inode: Callable[[], Inode | None] | None = None,
    ) -> None:
        super().__init__(system, b"")
        self._text = text
        self._inode = inode

    def target(self, process: Process) -> bytes:
        return self._text(process)

    def jump(self, _process: Process) -> Inode | None:
        """The inode, for links that a path can't express."""
        return self._inode() if self._inode is not None else None


class ProcDirectory(Directory):
    """A directory whose entries are computed; nothing can be made in it."""

    def __init__(self, system: FileSystem, mode: int = 0o555) -> None:
        super().__init__(system, mode)

    @property
    def size(self) -> int:
        return 0

    def check_writable(self) -> None:
        raise SyscallError(Errno.EACCES)


class ProcRoot(ProcDirectory):
    """/proc itself."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(FileSystem(lambda: kernel.clock.realtime, PROC_DEVICE, 1))
        self.kernel = kernel
        self._processes: dict[int, ProcessDirectory] = {}

    def lookup(self, name: bytes) -> Inode | None:
        if name.isdigit():
            return self._process(int(name))
        if not self.entries:
            self._fill()
        return self.entries.get(name)

    def names(self) -> Iterator[tuple[bytes, Inode]]:
        if not self.entries:
            self._fill()
        yield from tuple(self.entries.items())
        for process in self.kernel.processes.all():
            found = self._process(process.pid)
            if found is not None:
                yield b"%d" % process.pid, found

    def _process(self, pid: int) -> Inode | None:
        process = self.kernel.processes.by_pid.get(pid)
        if process is None:
            thread = self.kernel.processes.by_tid.get(pid)
            if thread is None:
                return None
            process = thread.process
        directory = self._processes.get(pid)
        if directory is None or directory.process is not process:
            directory = self._processes[pid] = ProcessDirectory(self, process)
            directory.parent, directory.name = self, b"%d" % pid
        return directory

    def _fill(self) -> None:
        self.add(b"self", ProcLink(self.system, lambda process: b"%d" % process.pid))
        self.add(
            b"thread-self", ProcLink(self.system, lambda process: b"%d/task/%d" % (process.pid, process.pid))
        )
        self.add(b"mounts", Symlink(self.system, b"self/mounts"))
        for name, render in SYSTEM_FILES.items():
            self.add(name, ProcFile(self.system, bind_system(render, self.kernel)))
        add_tree(self, self.kernel, SYSCTL)
        add_tree(self, self.kernel, SYSVIPC)


def bind_system(render: SystemRender, kernel: Kernel) -> Callable[[], bytes]:
    """A renderer with its kernel."""
    return lambda: render(kernel)


def bind_setting(setting: Setting, kernel: Kernel) -> Callable[[Thread, bytes], None]:
    """A setter with its kernel."""
    return lambda thread, data: setting(kernel, data)


def add_tree(root: ProcDirectory, kernel: Kernel, files: dict[str, SystemRender]) -> None:
    """Add files with their directories."""
    for path, render in files.items():
        *folders, name = path.encode().split(b"/")
        place: Directory = root
        for folder in folders:
            found = place.entries.get(folder)
            if not isinstance(found, Directory):
                found = ProcDirectory(root.system)
                place.add(folder, found)
            place = found
        setting = SETTINGS.get(path)
        store = None if setting is None else bind_setting(setting, kernel)
        place.add(name, ProcFile(root.system, bind_system(render, kernel), store=store))


class ProcessDirectory(ProcDirectory):
    """/proc/PID."""

    def __init__(self, root: ProcRoot, process: Process) -> None:
        super().__init__(root.system)
        self.process = process
        self.uid, self.gid = process.credentials.uid, process.credentials.gid

    def lookup(self, name: bytes) -> Inode | None:
        self._fill()
        return self.entries.get(name)

    def names(self) -> Iterator[tuple[bytes, Inode]]:
        self._fill()
        return super().names()

    def _fill(self) -> None:
        if self.entries:
            return
        process, system = self.process, self.system
        kernel = process.kernel
        for name, render in PROCESS_FILES.items():
            store = score_adjustment(process) if name == b"oom_score_adj" else None
            self._own(name, ProcFile(system, bind(render, kernel, process), store=store))
        self._own(b"mem", MemoryFile(system, process))
        self._own(b"pagemap", PagemapFile(system, process))
        self._own(b"exe", ProcLink(system, lambda _: executable_path(process), lambda: process.executable))
        self._own(
            b"cwd",
            ProcLink(system, lambda _: process.working.directory.path(), lambda: process.working.directory),
        )
        self._own(
            b"root", ProcLink(system, lambda _: process.working.root.path(), lambda: process.working.root)
        )
        self._own(b"fd", DescriptorDirectory(system, process))
        self._own(b"task", TaskDirectory(system, process, self))

    def _own(self, name: bytes, inode: Inode) -> None:
        inode.uid, inode.gid = self.uid, self.gid
        self.add(name, inode)


def bind(render: Render, kernel: Kernel, process: Process) -> Callable[[], bytes]:
    """A renderer with its process."""
    return lambda: render(kernel, process)


def score_adjustment(process: Process) -> Callable[[Thread, bytes], None]:
    """What a write to /proc/PID/oom_score_adj does."""
    from toolkit.kernel.fs import procfs_memory

    return lambda thread, data: procfs_memory.set_oom_score_adj(
        process.memory, data, privileged=thread.process.privileged
    )


def executable_path(process: Process) -> bytes:
    """What /proc/PID/exe shows."""
    file: OpenFile | None = process.executable_file
    if file is None:
        raise SyscallError(Errno.ENOENT)
    return file.shown_path()


class DescriptorDirectory(ProcDirectory):
    """/proc/PID/fd: one link a descriptor."""

    def __init__(self, system: FileSystem, process: Process) -> None:
        super().__init__(system, 0o500)
        self._process = process
        self._links: dict[tuple[int, int], Inode] = {}

    def lookup(self, name: bytes) -> Inode | None:
        if not name.isdigit():
            return None
        file = self._process.files.open.get(int(name))
        if file is None:
            return None
        key = int(name), id(file)
        if key not in self._links:
            self._links[key] = DescriptorLink(self.system, file)
        return self._links[key]

    def names(self) -> Iterator[tuple[bytes, Inode]]:
        for number in self._process.files:
            link = self.lookup(b"%d" % number)
            if link is not None:
                yield b"%d" % number, link


class DescriptorLink(ProcLink):
    """A link of /proc/PID/fd: following it opens the same inode anew."""

    def __init__(self, system: FileSystem, file: OpenFile) -> None:
        super().__init__(system, lambda _: file.shown_path(), lambda: file.node)
        self.mode = f.S_IFLNK | (0o500 if file.can_read else 0) | (0o300 if file.can_write else 0)

    @property
    def size(self) -> int:
        return 64


class TaskDirectory(ProcDirectory):
    """/proc/PID/task."""

    def __init__(self, system: FileSystem, process: Process, owner: ProcessDirectory) -> None:
        super().__init__(system)
        self._process = process
        self._owner = owner

    def lookup(self, name: bytes) -> Inode | None:
        if any(name == b"%d" % thread.tid for thread in self._process.threads):
            return self._owner
        return None

    def names(self) -> Iterator[tuple[bytes, Inode]]:
        for thread in self._process.threads:
            yield b"%d" % thread.tid, self._owner
