"""/proc, made of small functions: a file's bytes are rendered when it is opened and then stay (proc(5))."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.kernel.clock import NANOSECONDS
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile
from toolkit.kernel.fs.vfs import PROC_DEVICE, Directory, FileSystem, Inode, Symlink

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process, State, Thread

Render = Callable[["Kernel", "Process"], bytes]
SystemRender = Callable[["Kernel"], bytes]
CLOCK_TICK = 10_000_000
LIMIT_NAMES = (
    ("Max cpu time", 0, "seconds"),
    ("Max file size", 1, "bytes"),
    ("Max data size", 2, "bytes"),
    ("Max stack size", 3, "bytes"),
    ("Max core file size", 4, "bytes"),
    ("Max resident set", 5, "bytes"),
    ("Max processes", 6, "processes"),
    ("Max open files", 7, "files"),
    ("Max locked memory", 8, "bytes"),
    ("Max address space", 9, "bytes"),
    ("Max file locks", 10, "locks"),
    ("Max pending signals", 11, "signals"),
    ("Max msgqueue size", 12, "bytes"),
    ("Max nice priority", 13, ""),
    ("Max realtime priority", 14, ""),
    ("Max realtime timeout", 15, "us"),
)


MOUNTS = (
    b"/dev/root / ext4 rw,relatime 0 0\ndevtmpfs /dev devtmpfs rw 0 0\nproc /proc proc rw 0 0\n"
    b"tmpfs /dev/shm tmpfs rw 0 0\n"
)


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


# --- files of a process ------------------------------------------------------------------------------------


def text(content: str) -> bytes:
    """Names keep their bytes."""
    return content.encode("utf-8", "surrogateescape")


def memory_file(name: str) -> Render:
    """A file that procfs_memory renders from the address space; empty for a zombie."""

    def render(_kernel: Kernel, process: Process) -> bytes:
        from toolkit.kernel.fs import procfs_memory

        return b"" if process.dead else text(getattr(procfs_memory, name)(process.memory))

    return render


def strings(kernel: Kernel, process: Process, start: str, end: str) -> bytes:
    """The program's own argument or environment strings, as they stand in its memory."""
    if process.dead:
        return b""
    places = process.memory.places
    low, high = getattr(places, start), getattr(places, end)
    return process.memory.read_available(low, high - low)


def state_letter(process: Process) -> str:
    """R, S, T or Z."""
    from toolkit.kernel.task import State

    if process.dead:
        return "Z"
    if process.stopped:
        return "T"
    running: State = State.RUNNABLE
    return "R" if any(thread.state is running for thread in process.threads) else "S"


def stat_line(kernel: Kernel, process: Process) -> bytes:
    """/proc/PID/stat."""
    memory = None if process.dead else process.memory
    places = memory.places if memory is not None else None
    parent = process.parent.pid if process.parent is not None else kernel.processes.shell_pid
    ticks = kernel.instructions // CLOCK_TICK
    fields: list[object] = [
        process.pid, f"({process.name})", state_letter(process), parent, process.group, process.session, 0, -1,
        0x400000, memory.faults.minor if memory else 0, 0, memory.faults.major if memory else 0, 0, ticks, 0, 0, 0,
        20, 0, max(1, len(process.threads)), 0, process.started // CLOCK_TICK,
        memory.total_pages << 12 if memory else 0, memory.resident_pages if memory else 0, (1 << 64) - 1,
    ]  # fmt: skip
    if places is not None:
        fields += [places.start_code, places.end_code, places.start_stack, 0, 0]
    else:
        fields += [0] * 5
    fields += [
        process.pending.mask & 0x7FFFFFFF,
        blocked(process) & 0x7FFFFFFF,
        *signal_sets(process),
        0,
        0,
        0,
    ]
    fields += [17, 0, 0, 0, 0, 0, 0]
    if places is not None:
        fields += [
            places.start_data, places.end_data, places.start_brk, places.arg_start, places.arg_end,
            places.env_start, places.env_end,
        ]  # fmt: skip
    else:
        fields += [0] * 7
    fields.append(process.wait_status if process.dead else 0)
    return text(" ".join(map(str, fields)) + "\n")


def blocked(process: Process) -> int:
    """The first thread's mask."""
    return process.threads[0].blocked_signals if process.threads else 0


def signal_sets(process: Process) -> tuple[int, int]:
    """Ignored and caught signals."""
    ignored = sum(1 << (number - 1) for number, action in process.actions.items() if action.handler == 1)
    caught = sum(1 << (number - 1) for number, action in process.actions.items() if action.handler > 1)
    return ignored, caught


STATE_NAMES = {"R": "R (running)", "S": "S (sleeping)", "T": "T (stopped)", "Z": "Z (zombie)"}


def status(kernel: Kernel, process: Process) -> bytes:
    """/proc/PID/status."""
    from toolkit.kernel.fs import procfs_memory

    who = process.credentials
    parent = process.parent.pid if process.parent is not None else kernel.processes.shell_pid
    lines = [
        f"Name:\t{process.name}",
        f"Umask:\t{process.working.umask:04o}",
        f"State:\t{STATE_NAMES[state_letter(process)]}",
        f"Tgid:\t{process.pid}",
        "Ngid:\t0",
        f"Pid:\t{process.pid}",
        f"PPid:\t{parent}",
        "TracerPid:\t0",
        f"Uid:\t{who.uid}\t{who.euid}\t{who.suid}\t{who.fsuid}",
        f"Gid:\t{who.gid}\t{who.egid}\t{who.sgid}\t{who.fsgid}",
        "FDSize:\t64",
        "Groups:\t" + "".join(f"{group} " for group in who.groups),
    ]
    body = "\n".join(lines) + "\n"
    if not process.dead:
        body += procfs_memory.status_lines(process.memory)
    ignored, caught = signal_sets(process)
    pending = process.threads[0].pending.mask if process.threads else 0
    tail = [
        f"Threads:\t{max(1, len(process.threads))}",
        f"SigQ:\t{len(process.pending.queue)}/{process.limits.pending_signals}",
        f"SigPnd:\t{pending:016x}",
        f"ShdPnd:\t{process.pending.mask:016x}",
        f"SigBlk:\t{blocked(process):016x}",
        f"SigIgn:\t{ignored:016x}",
        f"SigCgt:\t{caught:016x}",
        f"NoNewPrivs:\t{int(process.no_new_privileges)}",
        "Cpus_allowed:\t1",
        "Cpus_allowed_list:\t0",
    ]
    return text(body + "\n".join(tail) + "\n")


def limits(_kernel: Kernel, process: Process) -> bytes:
    """/proc/PID/limits."""
    lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}"]
    for name, number, unit in LIMIT_NAMES:
        soft, hard = (
            "unlimited" if value >> 64 - 1 else str(value) for value in process.limits.values[number]
        )
        lines.append(f"{name:<25} {soft:<20} {hard:<20} {unit:<10}")
    return text("\n".join(lines) + "\n")


PROCESS_FILES: dict[bytes, Render] = {
    b"maps": memory_file("maps"),
    b"smaps": memory_file("smaps"),
    b"smaps_rollup": memory_file("smaps_rollup"),
    b"statm": memory_file("statm"),
    b"stat": stat_line,
    b"status": status,
    b"limits": limits,
    b"cmdline": lambda kernel, process: strings(kernel, process, "arg_start", "arg_end"),
    b"environ": lambda kernel, process: strings(kernel, process, "env_start", "env_end"),
    b"comm": lambda kernel, process: text(process.name + "\n"),
    b"auxv": lambda kernel, process: b"" if process.dead else process.auxiliary,
    b"mounts": lambda kernel, process: MOUNTS,
    b"cgroup": lambda kernel, process: b"0::/\n",
    b"oom_score": memory_file("oom_score"),
    b"oom_score_adj": memory_file("oom_score_adj"),
    b"personality": lambda kernel, process: b"00040000\n",
}


# --- files of the system -----------------------------------------------------------------------------------


def meminfo(kernel: Kernel) -> bytes:
    """/proc/meminfo."""
    from toolkit.kernel.fs import procfs_memory

    return text(procfs_memory.meminfo(kernel.frames))


def cpuinfo(_kernel: Kernel) -> bytes:
    """/proc/cpuinfo: one processor, the one that CPUID describes."""
    return (
        b"processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 58\n"
        b"model name\t: toolkit emulated CPU\nstepping\t: 9\ncpu MHz\t\t: 2000.000\ncache size\t: 0 KB\n"
        b"physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\nfpu\t\t: yes\nwp\t\t: yes\n"
        b"flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse "
        b"sse2 ht syscall nx rdtscp lm pni cx16 rdrand lahf_lm fsgsbase\nbogomips\t: 4000.00\nclflush size\t: 64\n"
        b"cache_alignment\t: 64\naddress sizes\t: 40 bits physical, 48 bits virtual\n\n"
    )


def uptime(kernel: Kernel) -> bytes:
    """/proc/uptime."""
    hundredths = kernel.clock.now // CLOCK_TICK
    return b"%d.%02d 0.00\n" % divmod(hundredths, 100)


def system_stat(kernel: Kernel) -> bytes:
    """/proc/stat."""
    boot = kernel.clock.epoch // NANOSECONDS
    ticks = kernel.instructions // CLOCK_TICK
    running = len(kernel.processes.by_tid)
    return (
        b"cpu  %d 0 0 0 0 0 0 0 0 0\ncpu0 %d 0 0 0 0 0 0 0 0 0\nctxt 0\nbtime %d\nprocesses %d\n"
        b"procs_running %d\nprocs_blocked 0\n" % (ticks, ticks, boot, running, running)
    )


def load_average(kernel: Kernel) -> bytes:
    """/proc/loadavg of a computer that has nothing else to do."""
    return b"0.00 0.00 0.00 1/%d %d\n" % (len(kernel.processes.by_tid), kernel.processes.shell_pid)


SYSTEM_FILES: dict[bytes, SystemRender] = {
    b"meminfo": meminfo,
    b"cpuinfo": cpuinfo,
    b"uptime": uptime,
    b"stat": system_stat,
    b"loadavg": load_average,
    b"version": lambda kernel: b"Linux version 6.18.44 (toolkit) #1 SMP PREEMPT_DYNAMIC\n",
    b"filesystems": lambda kernel: b"nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\n\text4\n",
    b"cmdline": lambda kernel: b"\n",
    b"devices": lambda kernel: b"Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n",
    b"swaps": lambda kernel: b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
}


Setting = Callable[["Kernel", bytes], None]


def overcommit_mode(kernel: Kernel) -> bytes:
    """vm.overcommit_memory."""
    return b"%d\n" % kernel.frames.commitment.mode


def overcommit_ratio(kernel: Kernel) -> bytes:
    """vm.overcommit_ratio."""
    return b"%d\n" % kernel.frames.commitment.ratio


def overcommit_kilobytes(kernel: Kernel) -> bytes:
    """vm.overcommit_kbytes."""
    return b"%d\n" % kernel.frames.commitment.kilobytes


def overcommit_setting(name: str) -> Setting:
    """What a write to one of the overcommit settings does."""

    def store(kernel: Kernel, data: bytes) -> None:
        from toolkit.kernel.fs import procfs_memory

        procfs_memory.set_overcommit(kernel.frames.commitment, name, data)

    return store


SYSCTL: dict[str, SystemRender] = {
    "sys/kernel/osrelease": lambda kernel: b"6.18.44\n",
    "sys/kernel/ostype": lambda kernel: b"Linux\n",
    "sys/kernel/hostname": lambda kernel: text(kernel.hostname + "\n"),
    "sys/kernel/pid_max": lambda kernel: b"32768\n",
    "sys/kernel/ngroups_max": lambda kernel: b"65536\n",
    "sys/kernel/cap_last_cap": lambda kernel: b"40\n",
    "sys/kernel/random/uuid": lambda kernel: random_uuid(kernel),
    "sys/kernel/randomize_va_space": lambda kernel: b"0\n",
    "sys/vm/overcommit_memory": overcommit_mode,
    "sys/vm/overcommit_ratio": overcommit_ratio,
    "sys/vm/overcommit_kbytes": overcommit_kilobytes,
    "sys/vm/max_map_count": lambda kernel: b"65530\n",
    "sys/vm/mmap_min_addr": lambda kernel: b"4096\n",
    "sys/fs/pipe-max-size": lambda kernel: b"1048576\n",
    "sys/fs/file-max": lambda kernel: b"%d\n" % (1 << 63 - 1),
}
SETTINGS: dict[str, Setting] = {
    f"sys/vm/{name}": overcommit_setting(name)
    for name in ("overcommit_memory", "overcommit_ratio", "overcommit_kbytes")
}
"""What root may write into files of SYSCTL."""
SYSVIPC: dict[str, SystemRender] = {
    "sysvipc/shm": lambda kernel: text(kernel.shared_memory.render()),
}


def random_uuid(kernel: Kernel) -> bytes:
    """A version 4 UUID, from the seed."""
    raw = bytearray(kernel.random_bytes(16))
    raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
    digits = raw.hex()
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    return text("-".join(parts) + "\n")
