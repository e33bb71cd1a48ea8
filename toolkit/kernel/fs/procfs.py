"""The tree of /proc (proc(5)); procfs_files.py has the kinds of files in it, procfs_text.py and others what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile
from toolkit.kernel.fs.procfs_files import (
    BufferFile,
    NumberFile,
    OpenBuffer,
    OpenMemory,
    OpenPagemap,
    ProcessMemoryFile,
    RecordFile,
    StringsFile,
    is_gone,
    process_records,
)
from toolkit.kernel.fs.procfs_text import (
    PROCESS_FILES,
    SETTINGS,
    SYSCTL,
    SYSTEM_FILES,
    SYSVIPC,
    TEXT_SETTINGS,
    Render,
    SystemRender,
    arguments,
    memory_file,
    mounts,
    strings,
)
from toolkit.kernel.fs.sequences import OpenSequence, Records, line_records, one_record
from toolkit.kernel.fs.vfs import PROC_DEVICE, Directory, FileSystem, Inode, Symlink

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process, Thread


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
            self.add(name, RecordFile(self.system, bind_records(one_record, render, self.kernel)))
        add_tree(self, self.kernel, SYSCTL, setting_file)
        add_tree(self, self.kernel, SYSVIPC, lines_file)


def bind_system(render: SystemRender, kernel: Kernel) -> Callable[[], bytes]:
    """A renderer with its kernel."""
    return lambda: render(kernel)


def bind_records(
    cut: Callable[[Callable[[], bytes]], Records], render: SystemRender, kernel: Kernel
) -> Callable[[], Records]:
    """What makes a system file's records when it is opened."""
    return lambda: cut(bind_system(render, kernel))


def setting_file(root: ProcDirectory, kernel: Kernel, path: str, render: SystemRender) -> Inode:
    """A file below /proc/sys: numbers are read whole, text in pieces."""
    bound, setting = bind_system(render, kernel), SETTINGS.get(path)
    if path in TEXT_SETTINGS:
        return BufferFile(root.system, bound)
    if setting is None:
        return NumberFile(root.system, bound)
    return NumberFile(root.system, bound, store=lambda thread, data: setting(kernel, data))


def lines_file(root: ProcDirectory, kernel: Kernel, path: str, render: SystemRender) -> Inode:
    """A file with a record for each line."""
    return RecordFile(root.system, bind_records(line_records, render, kernel))


def add_tree(
    root: ProcDirectory,
    kernel: Kernel,
    files: dict[str, SystemRender],
    make: Callable[[ProcDirectory, Kernel, str, SystemRender], Inode],
) -> None:
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
        place.add(name, make(root, kernel, path, render))


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
            self._own(name, RecordFile(system, bind_process(one_record, render, kernel, process)))
        for name in (b"maps", b"smaps"):
            self._own(name, RecordFile(system, area_records(name.decode(), process)))
        self._add_memory_files()
        self._own(b"mounts", RecordFile(system, bind_process(line_records, mounts, kernel, process)))
        self._own(b"cmdline", StringsFile(system, bind(arguments, kernel, process)))
        adjustment = bind(memory_file("oom_score_adj"), kernel, process)
        self._own(b"oom_score_adj", BufferFile(system, adjustment, store=score_adjustment(process)))
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

    def _add_memory_files(self) -> None:
        """Files that a zombie has not."""
        process, system = self.process, self.system
        self._own(b"mem", ProcessMemoryFile(system, process, 0o600, OpenMemory))
        self._own(b"pagemap", ProcessMemoryFile(system, process, 0o400, OpenPagemap))
        self._own(b"environ", ProcessMemoryFile(system, process, 0o400, open_environment))
        self._own(b"auxv", ProcessMemoryFile(system, process, 0o400, open_auxiliary))
        self._own(b"smaps_rollup", ProcessMemoryFile(system, process, 0o444, open_rollup))

    def _own(self, name: bytes, inode: Inode) -> None:
        inode.uid, inode.gid = self.uid, self.gid
        self.add(name, inode)


def bind(render: Render, kernel: Kernel, process: Process) -> Callable[[], bytes]:
    """A renderer with its process. ESRCH once that has been waited for."""

    def rendered() -> bytes:
        if process.reaped:
            raise SyscallError(Errno.ESRCH)
        return render(kernel, process)

    return rendered


def bind_process(
    cut: Callable[[Callable[[], bytes]], Records], render: Render, kernel: Kernel, process: Process
) -> Callable[[], Records]:
    """What makes the records of a process's file when it is opened."""
    return lambda: process_records(process, cut(bind(render, kernel, process)))


def area_records(name: str, process: Process) -> Callable[[], Records]:
    """maps and smaps: a record for each area of the memory the process has when the file is opened."""

    def opened() -> Records:
        from toolkit.kernel.fs import procfs_memory

        records = getattr(procfs_memory, name + "_records")
        return process_records(process, records(process.memory))

    return opened


def open_rollup(inode: Inode, process: Process, flags: int, path: bytes) -> OpenFile:
    """smaps_rollup: ESRCH when the memory it was opened for is gone."""
    memory = process.memory

    def render() -> bytes:
        from toolkit.kernel.fs import procfs_memory

        if is_gone(memory):
            raise SyscallError(Errno.ESRCH)
        return procfs_memory.smaps_rollup(memory).encode()

    return OpenSequence(inode, flags, path, one_record(render))


def open_environment(inode: Inode, process: Process, flags: int, path: bytes) -> OpenFile:
    """environ: the strings as they stand in memory."""
    memory = process.memory

    def render() -> bytes:
        return b"" if is_gone(memory) else strings(memory, memory.places.env_start, memory.places.env_end)

    return OpenBuffer(StringsFile(inode.system, render), flags, path)


def open_auxiliary(inode: Inode, process: Process, flags: int, path: bytes) -> OpenFile:
    """auxv: as exec made it, kept beyond the end of the memory."""
    auxiliary = process.auxiliary
    return OpenBuffer(StringsFile(inode.system, lambda: auxiliary), flags, path)


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
