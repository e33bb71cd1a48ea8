"""Signals: dispositions, queues, sending, and what happens when one is delivered (signal(7)).

The frames that a handler runs on are built in frames.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolkit.abi.signals import (
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTORER,
    SI_KERNEL,
    SIG_DFL,
    SIG_IGN,
    SIGNAL_MAXIMUM,
    SIGRTMIN,
    DefaultAction,
    Signal,
    default_action,
    signal_name,
)
from toolkit.kernel import frames
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.outcome import FaultDetail, SignalRecord

if TYPE_CHECKING:
    from toolkit.kernel.task import Process, Thread


def bit(signal: int) -> int:
    """The signal's bit in a sigset."""
    return 1 << (signal - 1)


HANDLER_EVENTS = 2
"""How many system calls more the frame of a handler and its removal cost the host (`Limits.events`)."""
UNBLOCKABLE = bit(Signal.SIGKILL) | bit(Signal.SIGSTOP)
STOP_SIGNALS = bit(Signal.SIGSTOP) | bit(Signal.SIGTSTP) | bit(Signal.SIGTTIN) | bit(Signal.SIGTTOU)
SYNCHRONOUS = (
    bit(Signal.SIGSEGV)
    | bit(Signal.SIGBUS)
    | bit(Signal.SIGILL)
    | bit(Signal.SIGTRAP)
    | bit(Signal.SIGFPE)
    | bit(Signal.SIGSYS)
)
ALL = (1 << SIGNAL_MAXIMUM) - 1


@dataclass(frozen=True, slots=True)
class SignalInfo:
    """A queued signal: siginfo_t's fields that matter for its kind (sigaction(2))."""

    signal: int
    code: int
    pid: int = 0
    uid: int = 0
    address: int = 0
    value: int = 0
    status: int = 0
    user_time: int = 0
    system_time: int = 0
    timer: int = 0
    overrun: int = 0
    fault: FaultDetail | None = None

    @property
    def name(self) -> str:
        return str(self.signal)


@dataclass(frozen=True, slots=True)
class Action:
    """A disposition, as rt_sigaction sets it."""

    handler: int = SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


DEFAULT = Action()


class PendingSignals:
    """Signals sent and not yet delivered. Standard signals are pending once, real-time ones queue (signal(7))."""

    __slots__ = ("mask", "queue")

    def __init__(self) -> None:
        self.mask = 0
        self.queue: list[SignalInfo] = []

    def add(self, info: SignalInfo, limit: int) -> bool:
        """Queue a signal; False when a real-time queue is full (EAGAIN)."""
        flag = bit(info.signal)
        if self.mask & flag:
            if info.signal < SIGRTMIN:
                return True
            if len(self.queue) >= limit:
                return False
        self.mask |= flag
        self.queue.append(info)
        return True

    def take(self, allowed: int) -> SignalInfo | None:
        """Remove and return the next signal among `allowed`: synchronous ones first, then the lowest number."""
        candidates = self.mask & allowed
        if not candidates:
            return None
        if candidates & SYNCHRONOUS:
            candidates &= SYNCHRONOUS
        signal = (candidates & -candidates).bit_length()
        index = next(i for i, info in enumerate(self.queue) if info.signal == signal)
        info = self.queue.pop(index)
        if not any(other.signal == signal for other in self.queue):
            self.mask &= ~bit(signal)
        return info

    def discard(self, signals: int) -> None:
        """Drop the signals of a set."""
        if self.mask & signals:
            self.queue = [info for info in self.queue if not bit(info.signal) & signals]
            self.mask &= ~signals


def ignored(process: Process, signal: int) -> bool:
    """Whether the disposition throws the signal away."""
    handler = process.actions.get(signal, DEFAULT).handler
    if handler == SIG_IGN:
        return True
    return handler == SIG_DFL and default_action(signal) is DefaultAction.IGNORE


def send(process: Process, info: SignalInfo, thread: Thread | None = None) -> bool:
    """Send a signal to a process, or to one of its threads; False when the queue is full.

    SIGCONT resumes and the stop signals cancel each other at this moment, whatever the disposition (kill(2)).
    """
    if process.dead:
        return True
    signal = info.signal
    if signal == Signal.SIGCONT:
        discard_everywhere(process, STOP_SIGNALS)
        process.resume()
    elif bit(signal) & STOP_SIGNALS:
        discard_everywhere(process, bit(Signal.SIGCONT))
    for watcher in process.signal_watchers:
        watcher.wake()
    targets = [thread] if thread is not None else process.threads
    blocked_everywhere = all(target.blocked_signals & bit(signal) for target in targets)
    waited_for = any(target.awaited_signals & bit(signal) for target in targets)
    if ignored(process, signal) and not blocked_everywhere and not waited_for:
        process.kernel.ignored_signal(process, info)
        return True
    pending = thread.pending if thread is not None else process.pending
    if not pending.add(info, process.limits.pending_signals):
        return False
    for target in targets:
        target.signal_arrived(signal)
    return True


def discard_everywhere(process: Process, signals: int) -> None:
    """Take pending signals away from the process and all its threads."""
    process.pending.discard(signals)
    for thread in process.threads:
        thread.pending.discard(signals)


def force(thread: Thread, info: SignalInfo) -> None:
    """Send a signal caused by the thread's own instruction: blocked or ignored, it kills (force_sig_info)."""
    process = thread.process
    flag = bit(info.signal)
    action = process.actions.get(info.signal, DEFAULT)
    if thread.blocked_signals & flag or action.handler == SIG_IGN:
        process.actions[info.signal] = DEFAULT
        thread.blocked_signals &= ~flag
    thread.pending.add(info, process.limits.pending_signals)
    thread.signal_arrived(info.signal)


def handles(thread: Thread, signal: int) -> bool:
    """Whether a signal that the thread's own instruction causes runs a handler: else it kills."""
    handler = thread.process.actions.get(signal, DEFAULT).handler
    return not thread.blocked_signals & bit(signal) and handler not in (SIG_DFL, SIG_IGN)


def next_signal(thread: Thread) -> SignalInfo | None:
    """Take the next signal the thread doesn't block: its own first, then the process's."""
    allowed = ALL & ~thread.blocked_signals
    return thread.pending.take(allowed) or thread.process.pending.take(allowed)


def deliver(thread: Thread) -> bool:
    """Act on one pending signal of the current thread; False when there is none that it accepts.

    After it the thread may run a handler, be stopped, or be gone.
    """
    info = next_signal(thread)
    if info is None:
        thread.signals_changed()
        return False
    process = thread.process
    if ignored(process, info.signal):
        process.kernel.ignored_signal(process, info)
        return True
    action = process.actions.get(info.signal, DEFAULT)
    if thread.interrupted is not None:
        process.kernel.interrupt_record(thread, thread.interrupted)
    process.kernel.record_signal(record_of(info, process.pid, thread.tid))
    if action.handler == SIG_DFL:
        act_by_default(thread, info)
    else:
        process.kernel.events += HANDLER_EVENTS
        run_handler(thread, info, action)
    return True


def record_of(info: SignalInfo, pid: int, tid: int) -> SignalRecord:
    """What a trace keeps of a signal."""
    return SignalRecord(
        pid,
        tid,
        info.signal,
        info.code,
        info.address,
        info.pid,
        info.uid,
        info.status,
        info.value,
        info.timer,
        info.overrun,
    )


def act_by_default(thread: Thread, info: SignalInfo) -> None:
    """Kill, stop or continue (signal(7), "Signal dispositions")."""
    process = thread.process
    match default_action(info.signal):
        case DefaultAction.TERMINATE:
            process.kill(info, core=False)
        case DefaultAction.CORE:
            process.kill(info, core=True)
        case DefaultAction.STOP:
            process.stop(info.signal)
        case DefaultAction.CONTINUE | DefaultAction.IGNORE:
            pass


def _undelivered(thread: Thread, info: SignalInfo, action: Action) -> FaultDetail:
    """What is known of a signal whose frame can't be written: the exception behind it, if there was one, and why."""
    registers = thread.process.kernel.machine.registers.as_dict()
    name = signal_name(info.signal)
    if thread.process.personality.bits == 64 and not action.flags & SA_RESTORER:
        reason = (
            f"the handler of {name} can't be called: the flags of its action lack SA_RESTORER (0x04000000)"
        )
    else:
        stack = thread.alternate_stack
        place = f"below rsp = {registers['rsp']:#x}"
        if action.flags & SA_ONSTACK and stack.size:
            place = f"on the alternate stack, {stack.address:#x} to {stack.address + stack.size:#x}"
        reason = f"the handler of {name} can't be called: there is no room for its frame {place}"
    fault = info.fault or FaultDetail(
        signal=int(Signal.SIGSEGV), code=SI_KERNEL, access="none", address=None, si_addr=0, error_code=0,
        vector=-1, rip=registers["rip"], registers=registers,
    )  # fmt: skip
    return replace(fault, undelivered=reason)


def run_handler(thread: Thread, info: SignalInfo, action: Action) -> None:
    """Push a frame and enter the handler; a frame that can't be written is a SIGSEGV (force_sigsegv)."""
    process = thread.process
    thread.settle_interrupted_call(action.flags)
    mask = thread.blocked_signals if thread.saved_mask is None else thread.saved_mask
    try:
        frames.push(thread, info, action, mask)
    except SyscallError:
        if info.signal == Signal.SIGSEGV:
            process.actions[Signal.SIGSEGV] = DEFAULT
        force(thread, SignalInfo(Signal.SIGSEGV, SI_KERNEL, fault=_undelivered(thread, info, action)))
        return
    thread.saved_mask = None
    if action.flags & SA_RESETHAND:
        process.actions[info.signal] = DEFAULT
    blocked = thread.blocked_signals | action.mask
    if not action.flags & SA_NODEFER:
        blocked |= bit(info.signal)
    thread.set_blocked(blocked)
