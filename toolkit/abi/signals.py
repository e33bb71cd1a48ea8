"""Signal numbers, default actions, si_codes and flags of Linux on x86 (signal(7), sigaction(2), asm/signal.h)."""

from __future__ import annotations

from enum import Enum, IntEnum


class DefaultAction(Enum):
    """What a signal does whose disposition is SIG_DFL (signal(7))."""

    TERMINATE = "terminate"
    CORE = "core"
    IGNORE = "ignore"
    STOP = "stop"
    CONTINUE = "continue"


class Signal(IntEnum):
    """A signal number; ``text`` is what a shell prints when the signal kills a program (strsignal(3))."""

    text: str
    default: DefaultAction

    def __new__(cls, value: int, text: str, default: DefaultAction) -> Signal:
        member = int.__new__(cls, value)
        member._value_ = value
        member.text = text
        member.default = default
        return member

    SIGHUP = 1, "Hangup", DefaultAction.TERMINATE
    SIGINT = 2, "Interrupt", DefaultAction.TERMINATE
    SIGQUIT = 3, "Quit", DefaultAction.CORE
    SIGILL = 4, "Illegal instruction", DefaultAction.CORE
    SIGTRAP = 5, "Trace/breakpoint trap", DefaultAction.CORE
    SIGABRT = 6, "Aborted", DefaultAction.CORE
    SIGBUS = 7, "Bus error", DefaultAction.CORE
    SIGFPE = 8, "Floating point exception", DefaultAction.CORE
    SIGKILL = 9, "Killed", DefaultAction.TERMINATE
    SIGUSR1 = 10, "User defined signal 1", DefaultAction.TERMINATE
    SIGSEGV = 11, "Segmentation fault", DefaultAction.CORE
    SIGUSR2 = 12, "User defined signal 2", DefaultAction.TERMINATE
    SIGPIPE = 13, "Broken pipe", DefaultAction.TERMINATE
    SIGALRM = 14, "Alarm clock", DefaultAction.TERMINATE
    SIGTERM = 15, "Terminated", DefaultAction.TERMINATE
    SIGSTKFLT = 16, "Stack fault", DefaultAction.TERMINATE
    SIGCHLD = 17, "Child exited", DefaultAction.IGNORE
    SIGCONT = 18, "Continued", DefaultAction.CONTINUE
    SIGSTOP = 19, "Stopped (signal)", DefaultAction.STOP
    SIGTSTP = 20, "Stopped", DefaultAction.STOP
    SIGTTIN = 21, "Stopped (tty input)", DefaultAction.STOP
    SIGTTOU = 22, "Stopped (tty output)", DefaultAction.STOP
    SIGURG = 23, "Urgent I/O condition", DefaultAction.IGNORE
    SIGXCPU = 24, "CPU time limit exceeded", DefaultAction.CORE
    SIGXFSZ = 25, "File size limit exceeded", DefaultAction.CORE
    SIGVTALRM = 26, "Virtual timer expired", DefaultAction.TERMINATE
    SIGPROF = 27, "Profiling timer expired", DefaultAction.TERMINATE
    SIGWINCH = 28, "Window changed", DefaultAction.IGNORE
    SIGIO = 29, "I/O possible", DefaultAction.TERMINATE
    SIGPWR = 30, "Power failure", DefaultAction.TERMINATE
    SIGSYS = 31, "Bad system call", DefaultAction.CORE


DEFAULT_ACTIONS: dict[int, DefaultAction] = {int(signal): signal.default for signal in Signal}
SIGRTMIN = 32
"""The kernel's first real-time signal; glibc keeps 32 and 33 and shows 34 as its SIGRTMIN."""
SIGNAL_MAXIMUM = 64
"""_NSIG: the highest signal number."""


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11; real-time signals as strace prints them, ``SIGRT_2`` for 34."""
    if 1 <= number <= 31:
        return next(signal.name for signal in Signal if signal == number)
    return f"SIGRT_{number - SIGRTMIN}"


def signal_text(number: int) -> str:
    """strsignal(3): ``Segmentation fault`` for 11, ``Real-time signal 2`` for 36."""
    known = {int(signal): signal.text for signal in Signal}
    return known.get(number) or f"Real-time signal {number - SIGRTMIN - 2}"


def default_action(number: int) -> DefaultAction:
    """The default action of any signal, real-time ones included (signal(7))."""
    return DEFAULT_ACTIONS.get(number, DefaultAction.TERMINATE)


def parse_signal(text: str) -> int:
    """The number of ``SIGTERM``, ``TERM`` or ``15``.

    Raises ValueError, naming the text, when there is no such signal.
    """
    name = text.upper()
    if name.isdecimal() and 1 <= int(name) <= SIGNAL_MAXIMUM:
        return int(name)
    name = name if name.startswith("SIG") else "SIG" + name
    if name not in Signal.__members__:
        raise ValueError(f"no such signal: {text}")
    return int(Signal[name])


SIG_DFL = 0
SIG_IGN = 1

SA_NOCLDSTOP = 0x1
SA_NOCLDWAIT = 0x2
SA_SIGINFO = 0x4
SA_RESTORER = 0x0400_0000
SA_ONSTACK = 0x0800_0000
SA_RESTART = 0x1000_0000
SA_NODEFER = 0x4000_0000
SA_RESETHAND = 0x8000_0000

SIG_BLOCK = 0
SIG_UNBLOCK = 1
SIG_SETMASK = 2

SS_ONSTACK = 1
SS_DISABLE = 2
SS_AUTODISARM = 1 << 31
MINSIGSTKSZ = 2048

SI_USER = 0
SI_KERNEL = 128
SI_QUEUE = -1
SI_TIMER = -2
SI_TKILL = -6

ILL_ILLOPN = 2

FPE_INTDIV = 1
FPE_FLTDIV = 3
FPE_FLTOVF = 4
FPE_FLTUND = 5
FPE_FLTRES = 6
FPE_FLTINV = 7

SEGV_MAPERR = 1
SEGV_ACCERR = 2
SEGV_PKUERR = 4

BUS_ADRALN = 1
BUS_ADRERR = 2

TRAP_BRKPT = 1
TRAP_TRACE = 2

CLD_EXITED = 1
CLD_KILLED = 2
CLD_DUMPED = 3
CLD_TRAPPED = 4
CLD_STOPPED = 5
CLD_CONTINUED = 6

CODE_NAMES: dict[int, dict[int, str]] = {
    Signal.SIGILL: {1: "ILL_ILLOPC", 2: "ILL_ILLOPN", 5: "ILL_PRVOPC"},
    Signal.SIGFPE: {
        1: "FPE_INTDIV",
        2: "FPE_INTOVF",
        3: "FPE_FLTDIV",
        4: "FPE_FLTOVF",
        5: "FPE_FLTUND",
        6: "FPE_FLTRES",
        7: "FPE_FLTINV",
    },
    Signal.SIGSEGV: {1: "SEGV_MAPERR", 2: "SEGV_ACCERR", 4: "SEGV_PKUERR"},
    Signal.SIGBUS: {1: "BUS_ADRALN", 2: "BUS_ADRERR"},
    Signal.SIGTRAP: {1: "TRAP_BRKPT", 2: "TRAP_TRACE"},
    Signal.SIGCHLD: {
        1: "CLD_EXITED",
        2: "CLD_KILLED",
        3: "CLD_DUMPED",
        4: "CLD_TRAPPED",
        5: "CLD_STOPPED",
        6: "CLD_CONTINUED",
    },
}
COMMON_CODE_NAMES = {0: "SI_USER", 128: "SI_KERNEL", -1: "SI_QUEUE", -2: "SI_TIMER", -6: "SI_TKILL"}


def code_name(signal: int, code: int) -> str:
    """``SEGV_MAPERR`` for (11, 1): the name of a siginfo's si_code."""
    return CODE_NAMES.get(signal, {}).get(code) or COMMON_CODE_NAMES.get(code) or str(code)
