"""From a call's number to its handler, its result or its waiting; the kernel's loop itself makes only calls that nobody looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.signals import Signal
from toolkit.kernel import signals
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm.frames import OutOfMemoryError
from toolkit.kernel.outcome import UnknownSyscall
from toolkit.kernel.task import State
from toolkit.kernel.waiting import Blocked, ThreadGone
from toolkit.machine.registers import RAX

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.syscalls import Entry, Invoke
    from toolkit.kernel.task import Thread


def call(kernel: Kernel, thread: Thread, number: int, abi: str) -> None:
    """A call by the current thread that may be traced, observed, unknown, new, or made through int 0x80."""
    entry = kernel.tables[abi].entry(number)
    thread.call_number = number
    observed = kernel.moments.syscalls
    if observed and entry.name in observed and thread.process is kernel.processes.main:
        kernel.observe(thread, kernel.moments.due(observed, "syscall:", entry.name))
        if kernel.ending is not None or thread.state is not State.RUNNABLE:
            return
    if kernel.tracer is not None:
        thread.call_record = kernel.tracer.begin(thread, entry, kernel.tables[abi].personality)
    if entry.invoke is None:
        refuse(kernel, thread, entry, abi)
        return
    carry_out(thread, entry.invoke)


def carry_out(thread: Thread, invoke: Invoke) -> None:
    """Carry a call of the current thread out, or begin to wait."""
    values = thread.registers
    try:
        result = invoke(thread, values)
    except SyscallError as error:
        result = -error.errno
    except Blocked as blocked:
        thread.call_invoke = invoke
        wait(thread, blocked)
        return
    except ThreadGone:
        return
    except OutOfMemoryError:
        kill_for_memory(thread)
        return
    values[RAX] = result & thread.process.word_mask
    thread.end_call(result)


def wait(thread: Thread, blocked: Blocked) -> None:
    """Wait; a signal that is already pending interrupts at once."""
    if thread.signal_pending and not blocked.killable:
        thread.interrupted = blocked
        while thread.signal_pending and thread.interrupted is not None and thread.state is State.RUNNABLE:
            if not signals.deliver(thread):
                break
        if thread.interrupted is None or thread.process.dead:
            return
        thread.interrupted = None
    if thread.state is State.RUNNABLE:
        thread.park(blocked)


def retry(thread: Thread) -> None:
    """Look again at what the current thread waits for, if it does."""
    invoke = thread.call_invoke
    if invoke is not None:
        thread.call_invoke = None
        carry_out(thread, invoke)


def refuse(kernel: Kernel, thread: Thread, entry: Entry, abi: str) -> None:
    """ENOSYS; a call that Linux has and this kernel lacks makes the run *broken*."""
    if entry.number in kernel.tables[abi].personality.syscall_names:
        key = (abi, entry.number)
        kernel.unknown_syscalls.setdefault(key, UnknownSyscall(entry.number, entry.name, abi))
    thread.registers[RAX] = -Errno.ENOSYS & thread.process.word_mask
    thread.end_call(-Errno.ENOSYS)


def kill_for_memory(thread: Thread) -> None:
    """The out-of-memory killer chose this one."""
    thread.call_invoke = None
    signals.force(thread, signals.SignalInfo(Signal.SIGKILL, 128))
