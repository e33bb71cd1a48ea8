"""What a run leaves behind: frozen records, picklable, with no reference to the machine or the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

from toolkit.abi.process import CORE_BIT
from toolkit.abi.signals import Signal, code_name, signal_name, signal_text


class Ending(Enum):
    """Why the run is over."""

    EXITED = "exited"
    """The program ended by itself: `Outcome.exit_code`."""
    SIGNALED = "signaled"
    """A signal killed it: `Outcome.signal`."""
    BUDGET = "budget"
    """The instruction budget ran out."""
    PAUSED = "paused"
    """An observer called `Kernel.pause`; `Kernel.run` goes on from here."""
    EVENTS = "events"
    """It entered the kernel more than `Limits.events` times."""
    OUTPUT_LIMIT = "output limit"
    """It printed more than `Limits.output` bytes."""
    DEADLOCK = "deadlock"
    """Every process waits for something that can't happen any more: `Outcome.waiting`."""
    RETURNED = "returned"
    """The main process jumped to `Kernel.return_address`: it lives."""
    FINISHED = "finished"
    """An observer called `Stop.finish`."""


@dataclass(frozen=True, slots=True)
class PastInstruction:
    """An instruction executed before a fault. `step`: how many instructions the run had executed with it."""

    address: int
    code: bytes
    step: int


@dataclass(frozen=True, slots=True)
class FaultDetail:
    """The exception behind a signal that the kernel sent to the program."""

    signal: int
    code: int
    """si_code (sigaction(2)): SEGV_MAPERR, FPE_INTDIV …"""
    access: Literal["read", "write", "execute", "none"]
    address: int | None
    """CR2 of a page fault, else None; si_addr is `si_addr`."""
    si_addr: int
    error_code: int
    vector: int
    rip: int
    registers: Mapping[str, int]
    reason: str = ""
    """For an instruction that a native CPU would have run: what is missing here."""
    came_from: PastInstruction | None = None
    """The last instruction that was executed, if it is known."""
    setters: Mapping[str, PastInstruction] = field(default_factory=dict)
    """By register: the instruction that set it last, as far back as is remembered; only if the signal kills."""
    since_start: bool = False
    """Whether that is back to the start, so that a register without a setter was never set."""
    undelivered: str = ""
    """Why the kernel could not call the handler that the program had installed: then it sends SIGSEGV instead."""

    @property
    def name(self) -> str:
        """``SIGSEGV SEGV_MAPERR``."""
        return f"{signal_name(self.signal)} {code_name(self.signal, self.code)}"


class SyscallRecord(NamedTuple):
    """One system call, in the order in which the calls began. (A run makes many: a tuple is made five times as fast as a dataclass.)"""

    pid: int
    tid: int
    number: int
    name: str
    abi: str
    """``x86_64`` or ``i386``."""
    values: tuple[int, ...]
    """The argument registers, as many as the call has; six for an unknown one."""
    arguments: tuple[str, ...]
    """The arguments as strace prints them; empty unless `Kernel(trace=True)`."""
    result: int | None
    """The signed return value, -errno on failure; None when the call did not return (exit, or killed in it)."""
    address: int = 0
    """The address of the instruction that made the call."""
    note: str = ""
    """What strace puts in parentheses behind the result."""
    result_text: str = ""
    """The result as strace prints it, where it is not just the number."""
    early: int = 0
    """How many of the arguments strace prints before the call is carried out."""
    ended: int | None = None
    """How many records there were when it returned: with more than up to this one, others came in between."""


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """A signal that was delivered to the program (also one that killed it): what strace prints as ``--- SIG… ---``."""

    pid: int
    tid: int
    signal: int
    code: int
    address: int
    sender: int
    uid: int = 0
    status: int = 0
    value: int = 0
    """si_value of sigqueue and timers."""
    timer: int = 0
    overrun: int = 0


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """A thread or process is gone: strace's ``+++ exited with … +++`` and ``+++ killed by … +++``."""

    pid: int
    tid: int
    exit_code: int | None
    signal: int | None
    core_dumped: bool


TraceRecord = SyscallRecord | SignalRecord | ExitRecord


@dataclass(frozen=True, slots=True)
class UnknownSyscall:
    """A call this kernel lacks: the program saw ENOSYS, and the run counts as *broken*, not as the program's failure."""

    number: int
    name: str
    abi: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of the main process, as its parent and a debugger would see it."""

    ending: Ending
    exit_code: int | None
    signal: int | None
    core_dumped: bool
    instructions: int
    """Executed by all the threads; exact when a budget was given, else None is impossible to tell and it is 0."""
    stdout: bytes
    stderr: bytes
    registers: Mapping[str, int]
    """The main thread's general registers at the end, by name."""
    fault: FaultDetail | None = None
    """The exception that killed the program; None when it was not an exception."""
    unknown_syscalls: tuple[UnknownSyscall, ...] = ()
    waiting: tuple[str, ...] = ()
    """DEADLOCK: one sentence for each thread, who waits for what."""
    trace: tuple[TraceRecord, ...] = field(default=(), repr=False)
    pid: int = 0

    @property
    def status(self) -> int:
        """What a shell would show in ``$?``: the exit code, or 128 + signal; 124 (as timeout(1)) for a run cut short."""
        if self.exit_code is not None:
            return self.exit_code
        return 124 if self.signal is None else 128 + self.signal

    @property
    def wait_status(self) -> int:
        """The status word of wait(2)."""
        if self.signal is not None:
            return self.signal | (CORE_BIT if self.core_dumped else 0)
        return (self.exit_code or 0) << 8

    @property
    def signal_name(self) -> str | None:
        """``SIGSEGV``, or None."""
        return None if self.signal is None else signal_name(self.signal)

    @property
    def shell_message(self) -> str:
        """What the student's shell prints about a killed program: ``Segmentation fault``; empty for an exit."""
        if self.signal is None or self.signal in (Signal.SIGINT, Signal.SIGPIPE):
            return ""
        text = signal_text(self.signal)
        return text + (" (core dumped)" if self.core_dumped else "")
