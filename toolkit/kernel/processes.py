"""The family of processes: spawn, clone, exec's commit, the end of threads and processes, and who is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.abi import process as p
from toolkit.abi.errno import Errno
from toolkit.abi.signals import (
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SIG_IGN,
    Signal,
)
from toolkit.kernel import exec as elf_exec
from toolkit.kernel import signals
from toolkit.kernel.credentials import login, login_limits
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import FileTable
from toolkit.kernel.fs.mounts import FileSetup
from toolkit.kernel.fs.streams import (
    Capture,
    InputStream,
    OpenTerminal,
    OutputStream,
    Sink,
    Source,
    StreamNode,
    TerminalState,
)
from toolkit.kernel.fs.vfs import Device
from toolkit.kernel.mm.space import AddressSpace
from toolkit.kernel.signals import Action, SignalInfo
from toolkit.kernel.task import Process, Thread, WorkingPlace
from toolkit.machine.registers import RAX, RFLAGS, RIP, RSP
from toolkit.personality.linux_x86_64 import PERSONALITY as X86_64

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel

EXEC_EVENTS, FORK_EVENTS = 20, 3
"""How many system calls more such a call costs the host (`Limits.events`)."""
COMM_LENGTH = 15
PID_LIMIT = 32768
FRESH_FLAGS = 0x202


class Processes:
    """All processes of a kernel, by pid, and all threads, by tid."""

    def __init__(self, kernel: Kernel, uid: int, gid: int) -> None:
        self.kernel = kernel
        self.uid, self.gid = uid, gid
        self.by_pid: dict[int, Process] = {}
        self.by_tid: dict[int, Thread] = {}
        self.shell_pid = 1_000 + kernel.seed * 7_919 % 20_000
        self._last_pid = self.shell_pid
        self._space_users: dict[AddressSpace, int] = {}
        self.main: Process
        self.final_registers: dict[str, int] | None = None
        self._stdout: Capture | None = None
        self._stderr: Capture | None = None
        self._stdin: InputStream | None = None

    def feed(self, data: bytes) -> None:
        """Change the standard input of a main process that has not begun, and has no terminal."""
        assert self._stdin is not None
        self._stdin.hold(data)

    @property
    def stdout(self) -> bytes:
        """What the programs wrote to the captured standard output."""
        return bytes(self._stdout.data) if self._stdout is not None else b""

    @property
    def stderr(self) -> bytes:
        """What the programs wrote to the captured standard error."""
        return bytes(self._stderr.data) if self._stderr is not None else b""

    def all(self) -> Iterator[Process]:
        """Every process, zombies too."""
        return iter(tuple(self.by_pid.values()))

    def new_pid(self) -> int:
        """The next free pid; EAGAIN when there are too many threads."""
        if len(self.by_tid) >= self.kernel.limits.processes:
            raise SyscallError(Errno.EAGAIN)
        for _ in range(PID_LIMIT):
            self._last_pid = self._last_pid + 1 if self._last_pid + 1 < PID_LIMIT else 300
            if self._last_pid not in self.by_pid and self._last_pid not in self.by_tid:
                return self._last_pid
        raise SyscallError(Errno.EAGAIN)

    # --- the main process ----------------------------------------------------------------------------------

    def spawn(
        self,
        program: bytes | str,
        arguments: Iterable[bytes | str] | None,
        environment: Mapping[str, str] | Iterable[bytes | str],
        name: str,
        stdin: bytes | Source,
        stdout: Sink | None,
        stderr: Sink | None,
        terminal: bool,
    ) -> Process:
        """See `Kernel.spawn`."""
        kernel = self.kernel
        process = Process(kernel, self.new_pid(), None)
        self.main = process
        process.credentials = login(self.uid, self.gid)
        process.limits = login_limits(kernel.limits)
        process.working = WorkingPlace(kernel.files.root, kernel.files.home)
        process.files = self._standard_files(stdin, stdout, stderr, terminal)
        if isinstance(program, bytes):
            kernel.files.put(name, FileSetup(program, 0o755))
            path = b"./" + name.encode() if not name.startswith("/") else name.encode()
        else:
            path = program.encode()
        argv = [as_bytes(text) for text in arguments] if arguments is not None else [path]
        items = (
            [f"{key}={value}" for key, value in environment.items()]
            if isinstance(environment, Mapping)
            else environment
        )
        self.by_pid[process.pid] = process
        file, opened = elf_exec.open_executable(process, path)
        request = elf_exec.Request(path, file, opened, argv, [as_bytes(text) for text in items], path)
        try:
            loaded = elf_exec.load(process, request)
        except elf_exec.ExecKilled:
            return self._killed_in_exec(process)
        process.memory = loaded.space
        self._use(loaded.space)
        thread = process.new_thread(process.pid)
        self.by_tid[thread.tid] = thread
        thread.context = kernel._pristine
        kernel.switch(thread)
        self.commit(thread, loaded)
        kernel.scheduler.add(thread)
        return process

    def _killed_in_exec(self, process: Process) -> Process:
        """The image could not be mapped after the point of no return: SIGSEGV before the first instruction."""
        process.memory = AddressSpace(self.kernel.machine, self.kernel.frames, X86_64.layout, process)
        process.signal = int(Signal.SIGSEGV)
        process.dead = True
        self.final_registers = {}
        return process

    def _standard_files(
        self, stdin: bytes | Source, stdout: Sink | None, stderr: Sink | None, terminal: bool
    ) -> FileTable:
        kernel = self.kernel
        table = FileTable()
        self._stdout = Capture(kernel.output, stdout)
        self._stderr = Capture(kernel.output, stderr)
        if terminal:
            kernel.terminal = TerminalState(self._stdout, stdin)
            inode = Device(kernel.files.system, 0o620, 136, 0, "tty")
            inode.uid = self.uid
            file = OpenTerminal(inode, kernel.terminal)
            for descriptor in range(3):
                table.put(descriptor, file)
            return table
        system = kernel.files.pipe_system
        self._stdin = InputStream(StreamNode(system, self.uid, self.gid), stdin)
        table.put(0, self._stdin)
        table.put(1, OutputStream(StreamNode(system, self.uid, self.gid), self._stdout))
        table.put(2, OutputStream(StreamNode(system, self.uid, self.gid), self._stderr))
        return table

    # --- exec ----------------------------------------------------------------------------------------------

    def execute(self, thread: Thread, request: elf_exec.Request) -> None:
        """execve: replace the image of the current thread's process; the other threads end."""
        process = thread.process
        self.kernel.events += EXEC_EVENTS
        try:
            loaded = elf_exec.load(process, request)
        except elf_exec.ExecKilled:
            process.kill(SignalInfo(int(Signal.SIGSEGV), 128), core=False)
            raise
        for other in tuple(process.threads):
            if other is not thread:
                other.finish()
        if thread.tid != process.pid:
            self.by_tid.pop(thread.tid, None)
            thread.tid = process.pid
            self.by_tid[thread.tid] = thread
        self.clear_child_tid(thread)
        old = process.memory
        self._use(loaded.space)
        process.memory = thread.memory = loaded.space
        self._drop(old)
        if process.files.references > 1:
            process.files.references -= 1
            process.files = process.files.copy()
        for descriptor in sorted(process.files.close_on_exec):
            process.files.close(descriptor, thread)
        process.reset_for_exec()
        self.kernel.activate(thread)
        self.commit(thread, loaded)
        self.release_vfork(thread)

    def commit(self, thread: Thread, loaded: elf_exec.Loaded) -> None:
        """Give the thread the registers of a fresh program and the process its new identity."""
        process = thread.process
        if process.executable is not None:
            process.executable.executed -= 1
        file = loaded.executable.file
        file.executed += 1
        process.executable = file
        process.executable_file = loaded.executable
        process.personality = loaded.personality
        process.word_mask = (1 << loaded.personality.bits) - 1
        process.arguments, process.environment = loaded.arguments, loaded.environment
        process.auxiliary = loaded.auxiliary
        process.vdso_symbols = loaded.vdso_symbols
        process.load_bias = loaded.bias
        process.name = process_name(loaded.name)
        thread.name = process.name
        self.kernel.enter_mode(thread)
        values = thread.registers
        for index in range(16):
            values[index] = 0
        values[RIP], values[RSP], values[RFLAGS] = loaded.entry, loaded.stack, FRESH_FLAGS

    # --- clone ---------------------------------------------------------------------------------------------

    def clone(
        self,
        thread: Thread,
        flags: int,
        stack: int,
        parent_tid: int,
        child_tid: int,
        tls: int,
        exit_signal: int,
    ) -> int:
        """clone(2), with its arguments already sorted by the ABI. Returns the child's tid in the parent."""
        check_clone_flags(flags)
        kernel = self.kernel
        kernel.events += FORK_EVENTS
        tid = self.new_pid()
        child = (
            self._clone_thread(thread, tid)
            if flags & p.CLONE_THREAD
            else self._clone_process(thread, tid, flags, exit_signal)
        )
        if flags & p.CLONE_PARENT_SETTID:
            thread.memory.write(parent_tid, tid.to_bytes(4, "little"))
        child.context = self._child_context(thread, flags, stack, tls)
        child.thread_areas = dict(thread.thread_areas)
        if flags & p.CLONE_SETTLS and thread.process.personality.bits == 32:
            self._set_child_area(thread, child, tls)
        if flags & p.CLONE_CHILD_SETTID:
            child.memory.write(child_tid, tid.to_bytes(4, "little"))
        if flags & p.CLONE_CHILD_CLEARTID:
            child.clear_child_tid = child_tid
        if not flags & p.CLONE_VM or flags & p.CLONE_VFORK:
            child.alternate_stack = thread.alternate_stack
        child.blocked_signals = thread.blocked_signals
        self.by_tid[tid] = child
        kernel.scheduler.add(child)
        if flags & p.CLONE_VFORK:
            child.vfork_parent = thread
            thread.sleep["vfork"] = child
        return tid

    def _set_child_area(self, thread: Thread, child: Thread, tls: int) -> None:
        """i386: clone's tls argument points at a user_desc."""
        from toolkit.kernel.syscalls.threads import area_descriptor, read_area

        entry, base, limit, flags = read_area(thread, tls)
        child.thread_areas[entry] = area_descriptor(base, limit, flags)

    def _clone_thread(self, thread: Thread, tid: int) -> Thread:
        child = thread.process.new_thread(tid)
        child.name = thread.name
        return child

    def _clone_process(self, thread: Thread, tid: int, flags: int, exit_signal: int) -> Thread:
        old, kernel = thread.process, self.kernel
        parent = old.parent if flags & p.CLONE_PARENT else old
        process = Process(kernel, tid, old)
        process.parent = parent
        process.exit_signal = exit_signal
        process.name = thread.name
        process.credentials = replace(old.credentials)
        process.limits = old.limits.copy()
        process.personality, process.word_mask = old.personality, old.word_mask
        if flags & p.CLONE_VM:
            process.memory = old.memory
        else:
            kernel.deactivate(old.memory)
            process.memory = old.memory.clone(process)
            process.memory.read_implies_exec = old.memory.read_implies_exec
            kernel.activate(thread)
        self._use(process.memory)
        if flags & p.CLONE_FILES:
            process.files = old.files
            old.files.references += 1
        else:
            process.files = old.files.copy()
        working = old.working
        process.working = (
            working if flags & p.CLONE_FS else WorkingPlace(working.root, working.directory, working.umask)
        )
        if flags & p.CLONE_SIGHAND:
            process.actions = old.actions
        elif flags & p.CLONE_CLEAR_SIGHAND:
            process.actions = {n: a for n, a in old.actions.items() if a.handler == SIG_IGN}
        else:
            process.actions = dict(old.actions)
        for name in (
            "executable", "executable_file", "arguments", "environment", "auxiliary", "vdso_symbols", "load_bias",
            "no_new_privileges", "dumpable",
        ):  # fmt: skip
            setattr(process, name, getattr(old, name))
        if process.executable is not None:
            process.executable.executed += 1
        process.attached_segments = dict(old.attached_segments)
        for hook in kernel.fork_hooks:
            hook(old, process)
        self.by_pid[tid] = process
        if parent is not None:
            parent.children.append(process)
        child = process.new_thread(tid)
        child.robust_list = (0, 0)
        if not flags & p.CLONE_VM:
            child.rseq = thread.rseq
        return child

    def _child_context(self, thread: Thread, flags: int, stack: int, tls: int):  # type: ignore[no-untyped-def]
        """The parent's registers with result 0, the new stack and the new thread area."""
        machine, values = self.kernel.machine, thread.registers
        rax, rsp = values[RAX], values[RSP]
        values[RAX] = 0
        if stack:
            values[RSP] = stack
        if flags & p.CLONE_SETTLS and thread.process.personality.bits == 64:
            base = machine.fs_base
            machine.fs_base = tls
            context = machine.save_context()
            machine.fs_base = base
        else:
            context = machine.save_context()
        values[RAX], values[RSP] = rax, rsp
        return context

    # --- the end -------------------------------------------------------------------------------------------

    def clear_child_tid(self, thread: Thread) -> None:
        """mm_release(): robust futexes, then the cleared tid that joins wait on."""
        from toolkit.kernel import futex

        futex.exit_robust_list(thread)
        if thread.clear_child_tid:
            address, thread.clear_child_tid = thread.clear_child_tid, 0
            others = [other for other in thread.process.threads if other is not thread]
            if others or self._space_users.get(thread.memory, 0) > 1:
                try:
                    thread.memory.write(address, bytes(4))
                except SyscallError:
                    return
                futex.wake(thread, address, 1)

    def release_vfork(self, thread: Thread) -> None:
        """The vfork child has its own image, or is gone: its parent goes on."""
        parent, thread.vfork_parent = thread.vfork_parent, None
        if parent is not None:
            parent.sleep.pop("vfork", None)
            parent.vfork_done.wake()

    def thread_ended(self, thread: Thread) -> None:
        """A thread has left its process."""
        self.clear_child_tid(thread)
        self.release_vfork(thread)
        self.by_tid.pop(thread.tid, None)
        thread.process.usage.instructions += thread.usage.instructions

    def ended(self, process: Process) -> None:
        """All threads are gone: close files, free memory, hand over the children, tell the parent."""
        for hook in self.kernel.exit_hooks:
            hook(process)
        for timer in (*process.interval_timers.values(), *process.posix_timers.values()):
            timer.cancel()
        process.files.references -= 1
        if process.files.references == 0:
            process.files.close_all()
        if process.executable is not None:
            process.executable.executed -= 1
        self._drop(process.memory)
        self._orphan_children(process)
        self._announce(process)

    def _orphan_children(self, process: Process) -> None:
        """Children go to init, which here is nobody: it reaps at once."""
        for child in process.children:
            child.parent = None
            if child.dead:
                self.forget(child)
        process.children = []

    def _announce(self, process: Process) -> None:
        parent = process.parent
        if parent is None or parent.dead:
            if process is not self.main:
                self.forget(process)
            return
        action = parent.actions.get(Signal.SIGCHLD, Action())
        if process.exit_signal == Signal.SIGCHLD and (
            action.handler == SIG_IGN or action.flags & SA_NOCLDWAIT
        ):
            if action.handler != SIG_IGN:
                self._tell_end(process)
            parent.children.remove(process)
            self.forget(process)
            parent.child_changed.wake()
            return
        self._tell_end(process)

    def _tell_end(self, process: Process) -> None:
        if process.signal is None:
            process.notify_parent(CLD_EXITED, process.exit_code or 0)
        else:
            process.notify_parent(CLD_DUMPED if process.core_dumped else CLD_KILLED, process.signal)

    def forget(self, process: Process) -> None:
        """The zombie has been waited for."""
        process.reaped = True
        self.by_pid.pop(process.pid, None)

    def stopped(self, process: Process, signal: int) -> None:
        """Tell the parent about a stop."""
        self._tell_change(process, CLD_STOPPED, signal)

    def continued(self, process: Process) -> None:
        """Tell the parent that a stopped child goes on."""
        self._tell_change(process, CLD_CONTINUED, int(Signal.SIGCONT))

    def _tell_change(self, process: Process, code: int, status: int) -> None:
        parent = process.parent
        if parent is None:
            return
        if not parent.actions.get(Signal.SIGCHLD, Action()).flags & SA_NOCLDSTOP:
            info = SignalInfo(
                int(Signal.SIGCHLD), code, pid=process.pid, uid=process.credentials.uid, status=status
            )
            signals.send(parent, info)
        parent.child_changed.wake()

    def _use(self, space: AddressSpace) -> None:
        self._space_users[space] = self._space_users.get(space, 0) + 1

    def _drop(self, space: AddressSpace) -> None:
        self._space_users[space] -= 1
        if not self._space_users[space]:
            del self._space_users[space]
            self.kernel.deactivate(space)
            space.release()

    def clear(self) -> None:
        """Forget everything; the machine is reset afterwards."""
        self.by_pid.clear()
        self.by_tid.clear()
        self._space_users.clear()


def as_bytes(text: bytes | str) -> bytes:
    """Arguments as the program gets them."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def process_name(path: bytes) -> str:
    """comm: the last part of the path, 15 bytes."""
    return path.rpartition(b"/")[2][:COMM_LENGTH].decode("utf-8", "replace")


def check_clone_flags(flags: int) -> None:
    """EINVAL for combinations that clone(2) refuses; EPERM for new namespaces."""
    thread_without = flags & p.CLONE_THREAD and not flags & p.CLONE_SIGHAND
    handlers_without = flags & p.CLONE_SIGHAND and not flags & p.CLONE_VM
    both = flags & p.CLONE_SIGHAND and flags & p.CLONE_CLEAR_SIGHAND
    if thread_without or handlers_without or both:
        raise SyscallError(Errno.EINVAL)
    if flags & p.CLONE_NAMESPACES:
        raise SyscallError(Errno.EPERM)
