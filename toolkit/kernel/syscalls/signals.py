"""Signals: dispositions, masks, sending, waiting for them, returning from handlers."""

from __future__ import annotations

from struct import pack, unpack
from typing import TYPE_CHECKING

from toolkit.abi import signals as s
from toolkit.abi.errno import Errno
from toolkit.kernel import frames
from toolkit.kernel import signals as core
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.signals import Action, SignalInfo, bit
from toolkit.kernel.syscalls import syscall
from toolkit.kernel.syscalls.arguments import Address, Int, Size, UnsignedInt, Word
from toolkit.kernel.syscalls.time import read_timespec
from toolkit.kernel.task import AlternateStack, Process, Thread
from toolkit.kernel.waiting import Blocked
from toolkit.machine.registers import RSP

if TYPE_CHECKING:
    from collections.abc import Iterable

SIGSET_SIZE = 8


def check_set_size(size: int) -> None:
    """EINVAL unless it is the kernel's sigset."""
    if size != SIGSET_SIZE:
        raise SyscallError(Errno.EINVAL)


def read_set(thread: Thread, address: int) -> int:
    """A signal set."""
    return int.from_bytes(thread.memory.read(address, SIGSET_SIZE), "little")


@syscall()
def rt_sigaction(thread: Thread, signal: Int, new: Address, old: Address, size: Size) -> int:
    """rt_sigaction(2)."""
    check_set_size(size)
    layout = "<QQQQ" if thread.process.personality.bits == 64 else "<IIIQ"
    length = 32 if thread.process.personality.bits == 64 else 20
    action = None
    if new:
        handler, flags, restorer, mask = unpack(layout, thread.memory.read(new, length))
        action = Action(handler, flags & 0xFFFFFFFF, restorer, mask & ~core.UNBLOCKABLE)
    before = change_action(thread.process, signal, action)
    if old:
        thread.memory.write(old, pack(layout, before.handler, before.flags, before.restorer, before.mask))
    return 0


def change_action(process: Process, signal: int, action: Action | None) -> Action:
    """Set a disposition (None: only look); pending signals that become ignored are dropped (POSIX 3.3.1.3)."""
    if not 1 <= signal <= s.SIGNAL_MAXIMUM or (action is not None and bit(signal) & core.UNBLOCKABLE):
        raise SyscallError(Errno.EINVAL)
    before = process.actions.get(signal, core.DEFAULT)
    if action is not None:
        process.actions[signal] = action
        if core.ignored(process, signal):
            core.discard_everywhere(process, bit(signal))
    return before


@syscall("sigaction", abi="i386")
def sigaction_32(thread: Thread, signal: Int, new: Address, old: Address) -> int:
    """The old sigaction of i386: a 32-bit mask."""
    action = None
    if new:
        handler, mask, flags, restorer = unpack("<IIII", thread.memory.read(new, 16))
        action = Action(handler, flags, restorer, mask & ~core.UNBLOCKABLE)
    before = change_action(thread.process, signal, action)
    if old:
        data = pack("<IIII", before.handler, before.mask & 0xFFFFFFFF, before.flags, before.restorer)
        thread.memory.write(old, data)
    return 0


@syscall("signal", abi="i386")
def signal_32(thread: Thread, signal: Int, handler: Address) -> int:
    """signal(2) of i386: SA_RESETHAND | SA_NODEFER."""
    action = Action(handler, s.SA_RESETHAND | s.SA_NODEFER)
    return change_action(thread.process, signal, action).handler


@syscall()
def rt_sigprocmask(thread: Thread, how: Int, new: Address, old: Address, size: Size) -> int:
    """rt_sigprocmask(2)."""
    check_set_size(size)
    before = thread.blocked_signals
    if new:
        change_mask(thread, how, read_set(thread, new))
    if old:
        thread.memory.write(old, pack("<Q", before))
    return 0


def change_mask(thread: Thread, how: int, wanted: int) -> None:
    """SIG_BLOCK, SIG_UNBLOCK or SIG_SETMASK; EINVAL."""
    before = thread.blocked_signals
    masks = {s.SIG_BLOCK: before | wanted, s.SIG_UNBLOCK: before & ~wanted, s.SIG_SETMASK: wanted}
    if how not in masks:
        raise SyscallError(Errno.EINVAL)
    thread.set_blocked(masks[how])


@syscall("sigprocmask", abi="i386")
def sigprocmask_32(thread: Thread, how: Int, new: Address, old: Address) -> int:
    """The old sigprocmask of i386."""
    before = thread.blocked_signals
    if new:
        wanted = int.from_bytes(thread.memory.read(new, 4), "little")
        change_mask(thread, how, wanted | before & ~0xFFFFFFFF if how == s.SIG_SETMASK else wanted)
    if old:
        thread.memory.write(old, pack("<I", before & 0xFFFFFFFF))
    return 0


@syscall()
def rt_sigpending(thread: Thread, address: Address, size: Size) -> int:
    """rt_sigpending(2)."""
    if size > SIGSET_SIZE:
        raise SyscallError(Errno.EINVAL)
    pending = (thread.pending.mask | thread.process.pending.mask) & thread.blocked_signals
    thread.memory.write(address, pack("<Q", pending)[:size])
    return 0


@syscall("sigpending", abi="i386")
def sigpending_32(thread: Thread, address: Address) -> int:
    """sigpending(2): the first 32 signals."""
    return rt_sigpending(thread, address, 4)


@syscall()
def rt_sigreturn(thread: Thread) -> int:
    """rt_sigreturn(2): a bad frame is a SIGSEGV."""
    try:
        return frames.pop_64(thread) if thread.process.personality.bits == 64 else frames.pop_32(thread, True)
    except SyscallError:
        core.force(thread, SignalInfo(int(s.Signal.SIGSEGV), s.SI_KERNEL))
        return 0


@syscall("sigreturn", abi="i386")
def sigreturn_32(thread: Thread) -> int:
    """sigreturn(2) of i386."""
    try:
        return frames.pop_32(thread, False)
    except SyscallError:
        core.force(thread, SignalInfo(int(s.Signal.SIGSEGV), s.SI_KERNEL))
        return 0


@syscall()
def sigaltstack(thread: Thread, new: Address, old: Address) -> int:
    """sigaltstack(2)."""
    wide = thread.process.personality.bits == 64
    layout, length = ("<QI4xQ", 24) if wide else ("<IiI", 12)
    present = thread.alternate_stack
    sp = thread.registers[RSP]
    report = (present.address, frames.stack_flags(thread, sp) | present.flags & s.SS_AUTODISARM, present.size)
    if new:
        address, flags, size = unpack(layout, thread.memory.read(new, length))
        flags &= 0xFFFFFFFF
        unchanged = (address, flags, size) == (present.address, present.flags, present.size)
        if frames.on_alternate_stack(thread, sp):
            raise SyscallError(Errno.EPERM)
        mode = flags & ~s.SS_AUTODISARM
        if mode not in (0, s.SS_ONSTACK, s.SS_DISABLE):
            raise SyscallError(Errno.EINVAL)
        if unchanged:
            pass
        elif mode == s.SS_DISABLE:
            thread.alternate_stack = AlternateStack()
        else:
            if size < s.MINSIGSTKSZ:
                raise SyscallError(Errno.ENOMEM)
            thread.alternate_stack = AlternateStack(address, flags & s.SS_AUTODISARM, size)
    if old:
        thread.memory.write(old, pack(layout, *report))
    return 0


# --- sending -----------------------------------------------------------------------------------------------


def check_signal(signal: int) -> None:
    """EINVAL; 0 only asks whether the target exists."""
    if not 0 <= signal <= s.SIGNAL_MAXIMUM:
        raise SyscallError(Errno.EINVAL)


def may_signal(thread: Thread, target: Process, signal: int) -> bool:
    """check_kill_permission()."""
    mine, theirs = thread.process.credentials, target.credentials
    if mine.euid == 0 or mine.euid in (theirs.uid, theirs.suid) or mine.uid in (theirs.uid, theirs.suid):
        return True
    return signal == s.Signal.SIGCONT and thread.process.session == target.session


@syscall()
def kill(thread: Thread, pid: Int, signal: Int) -> int:
    """kill(2)."""
    check_signal(signal)
    processes = thread.process.kernel.processes
    if pid > 0:
        target = processes.by_pid.get(pid)
        targets: Iterable[Process] = [target] if target is not None else []
    elif pid == -1:
        targets = [other for other in processes.all() if other is not thread.process]
    else:
        group = -pid if pid else thread.process.group
        targets = [other for other in processes.all() if other.group == group]
    found = list(targets)
    if not found:
        raise SyscallError(Errno.ESRCH)
    allowed = [other for other in found if may_signal(thread, other, signal)]
    if not allowed:
        raise SyscallError(Errno.EPERM)
    info = SignalInfo(signal, s.SI_USER, pid=thread.process.pid, uid=thread.process.credentials.uid)
    for other in allowed:
        if signal:
            core.send(other, info)
    return 0


@syscall()
def tgkill(thread: Thread, group: Int, tid: Int, signal: Int) -> int:
    """tgkill(2)."""
    if group <= 0 or tid <= 0:
        raise SyscallError(Errno.EINVAL)
    return thread_kill(thread, tid, signal, group)


@syscall()
def tkill(thread: Thread, tid: Int, signal: Int) -> int:
    """tkill(2)."""
    if tid <= 0:
        raise SyscallError(Errno.EINVAL)
    return thread_kill(thread, tid, signal, None)


def thread_kill(thread: Thread, tid: int, signal: int, group: int | None) -> int:
    """Send to one thread."""
    check_signal(signal)
    target = thread.process.kernel.processes.by_tid.get(tid)
    if target is None or (group is not None and target.process.pid != group):
        raise SyscallError(Errno.ESRCH)
    if not may_signal(thread, target.process, signal):
        raise SyscallError(Errno.EPERM)
    info = SignalInfo(signal, s.SI_TKILL, pid=thread.process.pid, uid=thread.process.credentials.uid)
    if signal and not core.send(target.process, info, target):
        raise SyscallError(Errno.EAGAIN)
    return 0


@syscall()
def rt_sigqueueinfo(thread: Thread, pid: Int, signal: Int, info: Address) -> int:
    """rt_sigqueueinfo(2)."""
    made = read_info(thread, signal, info)
    target = thread.process.kernel.processes.by_pid.get(pid)
    check_code(thread, made.code, target)
    if target is None:
        raise SyscallError(Errno.ESRCH)
    return queue_info(target, None, made)


@syscall()
def rt_tgsigqueueinfo(thread: Thread, group: Int, tid: Int, signal: Int, info: Address) -> int:
    """rt_tgsigqueueinfo(2)."""
    made = read_info(thread, signal, info)
    if group <= 0 or tid <= 0:
        raise SyscallError(Errno.EINVAL)
    target = thread.process.kernel.processes.by_tid.get(tid)
    check_code(thread, made.code, target.process if target is not None else None)
    if target is None or target.process.pid != group:
        raise SyscallError(Errno.ESRCH)
    return queue_info(target.process, target, made)


def read_info(thread: Thread, signal: int, address: int) -> SignalInfo:
    """The siginfo that the program made (copy_siginfo_from_user). EFAULT."""
    wide = thread.process.personality.bits == 64
    data = thread.memory.read(address, 128)
    code = int.from_bytes(data[8:12], "little", signed=True)
    base, width = (16, 8) if wide else (12, 4)
    pid, uid = unpack("<iI", data[base : base + 8])
    value = int.from_bytes(data[base + 8 : base + 8 + width], "little")
    return SignalInfo(signal, code, pid=pid, uid=uid, value=value)


def check_code(thread: Thread, code: int, process: Process | None) -> None:
    """Codes of the kernel may be sent only to oneself. EPERM."""
    if (code >= 0 or code == s.SI_TKILL) and process is not thread.process:
        raise SyscallError(Errno.EPERM)


def queue_info(process: Process, target: Thread | None, info: SignalInfo) -> int:
    """Queue a siginfo. EAGAIN, EINVAL."""
    check_signal(info.signal)
    if info.signal and not core.send(process, info, target):
        raise SyscallError(Errno.EAGAIN)
    return 0


# --- waiting -----------------------------------------------------------------------------------------------


@syscall()
def pause(thread: Thread) -> int:
    """pause(2)."""
    raise Blocked(restart=False)


@syscall()
def rt_sigsuspend(thread: Thread, address: Address, size: Size) -> int:
    """rt_sigsuspend(2)."""
    check_set_size(size)
    return suspend(thread, read_set(thread, address))


@syscall("sigsuspend", abi="i386")
def sigsuspend_32(thread: Thread, first: Word, second: Word, mask: UnsignedInt) -> int:
    """The old sigsuspend of i386."""
    return suspend(thread, mask)


def suspend(thread: Thread, mask: int) -> int:
    """Wait for a handler with another mask; the old one comes back with the handler's return."""
    if "suspended" not in thread.sleep:
        thread.sleep["suspended"] = True
        thread.saved_mask = thread.blocked_signals
        thread.set_blocked(mask)
    raise Blocked(restart=False)


@syscall("rt_sigtimedwait", "rt_sigtimedwait_time64")
def rt_sigtimedwait(thread: Thread, address: Address, info: Address, timeout: Address, size: Size) -> int:
    """rt_sigtimedwait(2)."""
    check_set_size(size)
    wanted = read_set(thread, address) & ~core.UNBLOCKABLE
    found = thread.pending.take(wanted) or thread.process.pending.take(wanted)
    if found is not None:
        thread.awaited_signals = 0
        thread.signals_changed()
        if info:
            thread.memory.write(info, frames.siginfo(found, thread.process.personality.bits))
        return found.signal
    deadline = thread.deadline(read_timespec(thread, timeout) if timeout else None)
    if thread.expired(deadline):
        thread.awaited_signals = 0
        raise SyscallError(Errno.EAGAIN)
    thread.awaited_signals = wanted

    def interrupted() -> int:
        thread.awaited_signals = 0
        return -Errno.EINTR

    raise Blocked(deadline=deadline, interrupted=interrupted)
