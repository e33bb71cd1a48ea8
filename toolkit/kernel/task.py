"""Processes and threads: their state, and what becomes of it when they wait, stop and end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from toolkit.abi import process as p
from toolkit.abi.signals import SA_RESTART, SIGNAL_MAXIMUM, SS_AUTODISARM, SS_DISABLE, Signal
from toolkit.kernel.signals import (
    ALL,
    UNBLOCKABLE,
    Action,
    PendingSignals,
    SignalInfo,
    bit,
    ignored,
    send,
)
from toolkit.kernel.waiting import Blocked, WaitQueue
from toolkit.machine.registers import RAX, RIP

if TYPE_CHECKING:
    import ctypes

    from toolkit.kernel.credentials import Credentials, ResourceLimits
    from toolkit.kernel.fs.files import FileTable
    from toolkit.kernel.fs.vfs import Directory, RegularFile
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.mm.space import AddressSpace
    from toolkit.kernel.scheduler import Timer
    from toolkit.machine.cpu import Context
    from toolkit.personality.layout import Personality

EINTR_RESULT = -4


class State(Enum):
    """What a thread is doing."""

    RUNNABLE = "runnable"
    BLOCKED = "blocked"
    STOPPED = "stopped"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class AlternateStack:
    """sigaltstack(2)."""

    address: int = 0
    flags: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class LastTrap:
    """thread_struct's cr2, error_code and trap_nr, which sigcontext shows."""

    vector: int = 0
    error_code: int = 0
    cr2: int = 0


@dataclass
class WorkingPlace:
    """What CLONE_FS shares: root, current directory, umask."""

    root: Directory
    directory: Directory
    umask: int = 0o022


@dataclass
class Usage:
    """What /proc and wait4 report."""

    instructions: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    voluntary_switches: int = 0
    involuntary_switches: int = 0


class Thread:
    """One flow of control. `registers` are the machine's live ones while it is current."""

    def __init__(self, process: Process, tid: int) -> None:
        self.process = process
        self.tid = tid
        self.memory: AddressSpace = process.memory
        self.registers: ctypes.Array[Any] = process.kernel.machine.registers.values
        self.context: Context | None = None
        self.state = State.RUNNABLE
        self.name = process.name
        self.blocked_signals = 0
        self.awaited_signals = 0
        self.saved_mask: int | None = None
        self.pending = PendingSignals()
        self.signal_pending = False
        self.alternate_stack = AlternateStack()
        self.last_trap = LastTrap()
        self.thread_areas: dict[int, int] = {}
        """i386: TLS descriptors by entry of the descriptor table."""
        self.waiting: Blocked | None = None
        self.interrupted: Blocked | None = None
        self.call_number = 0
        self.call_invoke: Callable[..., int] | None = None
        self.call_record: Any = None
        self.announced: int | None = None
        self.passed: int | None = None
        """Address of the label whose observers were told while its instruction is still to be completed."""
        self.sleep: dict[str, Any] = {}
        self.timer: Timer | None = None
        self.clear_child_tid = 0
        self.robust_list = (0, 0)
        self.rseq: tuple[int, int, int] | None = None
        self.vfork_parent: Thread | None = None
        self.usage = Usage()
        self.vfork_done = WaitQueue("a vfork child's exec or exit")

    # --- waiting -------------------------------------------------------------------------------------------

    def park(self, blocked: Blocked) -> None:
        """Wait for what the call raised."""
        self.waiting = blocked
        self.state = State.BLOCKED
        for queue in blocked.queues:
            queue.threads.append(self)
        if blocked.deadline is not None:
            self.timer = self.process.kernel.scheduler.at(blocked.deadline, self.wake)

    def wake(self) -> None:
        """Look again: the call is retried when the thread is scheduled."""
        if self.state is State.BLOCKED:
            self._leave_queues()
            self.state = State.STOPPED if self.process.stopped else State.RUNNABLE
            if self.state is State.RUNNABLE:
                self.process.kernel.scheduler.add(self)

    def _leave_queues(self) -> None:
        if self.waiting is not None:
            for queue in self.waiting.queues:
                if self in queue.threads:
                    queue.threads.remove(self)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def deadline(self, timeout: int | None) -> int | None:
        """The virtual time at which this call gives up, counted from its first attempt; None: never."""
        if timeout is None:
            return None
        found: int = self.sleep.setdefault("deadline", self.process.kernel.clock.now + timeout)
        return found

    def expired(self, deadline: int | None) -> bool:
        """Whether the deadline has passed."""
        return deadline is not None and self.process.kernel.clock.now >= deadline

    # --- signals -------------------------------------------------------------------------------------------

    def set_blocked(self, mask: int) -> None:
        """Set the signal mask (SIGKILL and SIGSTOP can't be blocked)."""
        self.blocked_signals = mask & ALL & ~UNBLOCKABLE
        self.signals_changed()

    def signals_changed(self) -> None:
        """Recompute whether a signal waits for delivery."""
        allowed = ~self.blocked_signals
        self.signal_pending = bool((self.pending.mask | self.process.pending.mask) & allowed)

    def signal_arrived(self, signal: int) -> None:
        """A signal was queued for this thread or its process."""
        if not self.blocked_signals & bit(signal):
            self.signal_pending = True
            if signal == Signal.SIGKILL and self.state is State.STOPPED:
                self.process.resume()
            self.wake()
        elif self.awaited_signals & bit(signal):
            self.wake()

    def settle_interrupted_call(self, flags: int) -> None:
        """A handler is about to run over a call that was waiting: EINTR, or begin it again after SA_RESTART."""
        blocked, self.interrupted = self.interrupted, None
        if blocked is None:
            return
        self.process.kernel.interrupt_record(self, blocked)
        if blocked.interrupted is not None:
            result = blocked.interrupted()
        elif blocked.restart and flags & SA_RESTART:
            self.registers[RIP] -= 2
            self.registers[RAX] = self.call_number
            self.end_call(None)
            return
        else:
            result = EINTR_RESULT
        self.registers[RAX] = result & self.process.word_mask
        self.end_call(result)

    def end_call(self, result: int | None) -> None:
        """The current system call is over."""
        self.sleep.clear()
        self.waiting = None
        self.call_invoke = None
        if self.call_record is not None:
            self.process.kernel.finish_record(self, result)

    def finish(self) -> None:
        """End: leave every queue and the process; the kernel tells who waits for the thread."""
        self._leave_queues()
        self.state = State.DEAD
        self.context = None
        if self in self.process.threads:
            self.process.threads.remove(self)
        self.process.kernel.thread_ended(self)

    def disarm_alternate_stack(self) -> None:
        """SS_AUTODISARM: the alternate stack is forgotten while a handler runs."""
        self.alternate_stack = AlternateStack(0, SS_DISABLE, 0)

    def restore_alternate_stack(self, address: int, flags: int, size: int) -> None:
        """restore_altstack(): what rt_sigreturn finds in the frame."""
        if flags & SS_DISABLE:
            self.alternate_stack = AlternateStack()
        else:
            self.alternate_stack = AlternateStack(address, flags & SS_AUTODISARM, size)

    def describe(self) -> str:
        """One sentence: what it waits for."""
        from toolkit.kernel.syscalls import table

        if self.state is State.STOPPED:
            return f"thread {self.tid} of process {self.process.pid} ({self.name}) is stopped by a signal"
        name = table(self.process.personality).entry(self.call_number).name
        things = [queue.name for queue in self.waiting.queues] if self.waiting else []
        what = ", ".join(things) or "a signal"
        return f"thread {self.tid} of process {self.process.pid} ({self.name}) waits in {name} for {what}"


class Process:
    """A thread group: what its threads share, its place in the family tree, and how it ended."""

    def __init__(self, kernel: Kernel, pid: int, parent: Process | None) -> None:
        self.kernel = kernel
        self.pid = pid
        self.parent = parent
        self.children: list[Process] = []
        self.group: int = parent.group if parent else pid
        self.session: int = parent.session if parent else pid
        self.name: str = ""
        self.memory: AddressSpace
        self.personality: Personality
        self.word_mask = (1 << 64) - 1
        self.files: FileTable
        self.working: WorkingPlace
        self.credentials: Credentials
        self.limits: ResourceLimits
        self.threads: list[Thread] = []
        self.actions: dict[int, Action] = {}
        self.pending = PendingSignals()
        self.signal_watchers: list[WaitQueue] = []
        self.child_changed = WaitQueue("a child")
        self.exit_signal = int(Signal.SIGCHLD)
        self.stopped = False
        self.stop_signal = 0
        self.report: int | None = None
        """A stop or continue status that wait has not fetched yet."""
        self.dead: bool = False
        self.reaped = False
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.core_dumped = False
        self.fault: Any = None
        self.executable: RegularFile | None = None
        self.executable_path = b""
        self.arguments: tuple[bytes, ...] = ()
        self.environment: tuple[bytes, ...] = ()
        self.auxiliary: bytes = b""
        self.executable_file: Any = None
        self.load_bias = 0
        self.attached_segments: dict[int, Any] = {}
        self.vdso_symbols: dict[str, int] = {}
        self.interval_timers: dict[int, Any] = {}
        self.posix_timers: dict[int, Any] = {}
        self.flags: dict[str, int] = {}
        self.semaphore_undo: dict[Any, int] = {}
        self.started = kernel.clock.now
        self.children_usage = Usage()
        self.usage = Usage()
        self.no_new_privileges = False
        self.dumpable = 1
        self.did_exec = False

    @property
    def wait_status(self) -> int:
        """The status word of wait(2)."""
        if self.signal is not None:
            return self.signal | (p.CORE_BIT if self.core_dumped else 0)
        return (self.exit_code or 0) << 8

    def soft(self, resource: int) -> int:
        """A soft resource limit, as memory management asks for it."""
        return self.limits.values[resource][0]

    @property
    def privileged(self) -> bool:
        """Whether it has root's capabilities."""
        return self.credentials.euid == 0

    @property
    def leader(self) -> Thread | None:
        """The thread whose tid is the pid, if it still lives."""
        return next((thread for thread in self.threads if thread.tid == self.pid), None)

    def new_thread(self, tid: int) -> Thread:
        """Add a thread; the caller gives it a context and schedules it."""
        thread = Thread(self, tid)
        self.threads.append(thread)
        return thread

    # --- the end -------------------------------------------------------------------------------------------

    def kill(self, info: SignalInfo, core: bool) -> None:
        """The default action of a deadly signal."""
        limit = self.limits.values[p.RLIMIT_CORE][0]
        self.fault = info.fault
        self._end(None, info.signal, core and self.kernel.core_dumps(limit))

    def exit(self, code: int) -> None:
        """exit_group(2)."""
        self._end(code & 0xFF, None, False)

    def _end(self, code: int | None, signal: int | None, core: bool) -> None:
        if self.dead:
            return
        self.exit_code, self.signal, self.core_dumped = code, signal, core
        self.kernel.before_end(self)
        self.dead = True
        for thread in tuple(self.threads):
            thread.finish()
        self.kernel.process_ended(self)

    def notify_parent(self, code: int, status: int) -> None:
        """SIGCHLD with its siginfo (or the signal that clone asked for)."""
        parent = self.parent
        if parent is None:
            return
        if 0 < self.exit_signal <= SIGNAL_MAXIMUM:  # any other number is accepted by clone, and sends nothing
            send(
                parent,
                SignalInfo(self.exit_signal, code, pid=self.pid, uid=self.credentials.uid, status=status),
            )
        parent.child_changed.wake()

    def stop(self, signal: int) -> None:
        """The default action of SIGSTOP and its kin."""
        if self.stopped or self.dead:
            return
        self.stopped = True
        self.stop_signal = signal
        self.report = signal << 8 | 0x7F
        for thread in self.threads:
            if thread.state is State.RUNNABLE:
                thread.state = State.STOPPED
        self.kernel.stopped(self, signal)

    def resume(self) -> None:
        """SIGCONT, or SIGKILL of a stopped process."""
        if not self.stopped:
            return
        self.stopped = False
        self.report = 0xFFFF
        for thread in self.threads:
            if thread.state is State.STOPPED:
                thread.state = State.RUNNABLE
                self.kernel.scheduler.add(thread)
        self.kernel.continued(self)

    def reset_for_exec(self) -> None:
        """What execve resets: handlers (ignored stays ignored), the alternate stack, timers, flags."""
        self.actions = {
            signal: Action(handler=action.handler)
            for signal, action in self.actions.items()
            if ignored(self, signal) and action.handler
        }
        for thread in self.threads:
            thread.alternate_stack = AlternateStack()
            thread.clear_child_tid = 0
            thread.robust_list = (0, 0)
            thread.rseq = None
            thread.thread_areas = {}
        for timer in self.posix_timers.values():
            timer.cancel()
        self.posix_timers = {}
        self.did_exec = True
