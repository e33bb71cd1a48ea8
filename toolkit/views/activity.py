"""What a program did, as strace(1) prints it (strace 6.1, default format: results aligned to column 40)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from toolkit.abi.errno import find_errno
from toolkit.abi.signals import SI_KERNEL, SI_USER, Signal, code_name
from toolkit.kernel.outcome import ExitRecord, SignalRecord, SyscallRecord, TraceRecord

RESULT_COLUMN = 40
SI_QUEUE, SI_TIMER = -1, -2
CLD_EXITED = 1
_FAULTS = frozenset([Signal.SIGSEGV, Signal.SIGBUS, Signal.SIGILL, Signal.SIGFPE, Signal.SIGTRAP])


def render_trace(records: Iterable[TraceRecord], *, pids: bool | None = None) -> str:
    """The records, one a line, as ``strace -f`` prints them on a terminal.

    ``pids``: begin each line with the thread's number; ``None``: while there are several. A call during which others
    were printed is told in two lines, ``<unfinished ...>`` and ``<... resumed>``.
    """
    return "".join(line + "\n" for line in _lines(list(records), pids))


def exec_line(path: str, arguments: Sequence[bytes], variables: int, address: int) -> str:
    """strace's first line, the execve that starts the program; ``address`` is the environment's."""
    from toolkit.kernel.strace.values import STRING_SHOWN
    from toolkit.kernel.syscalls.arguments import quote

    shown = ", ".join(quote(argument) for argument in arguments[:STRING_SHOWN])
    more = ", ..." if len(arguments) > STRING_SHOWN else ""
    count = f"{variables} var{'' if variables == 1 else 's'}"
    call = f"execve({quote(path.encode(), limit=4096)}, [{shown}{more}], {address:#x} /* {count} */)"
    return f"{call:<{RESULT_COLUMN - 1}} = 0\n"


def mode_line(pid: int, abi: str) -> str:
    """What strace says of a program that is not 64-bit; empty for one that is."""
    return "" if abi == "x86_64" else f"[ Process PID={pid} runs in 32 bit mode. ]\n"


def _lines(records: Sequence[TraceRecord], pids: bool | None) -> Iterator[str]:
    alive: dict[int, None] = dict.fromkeys(record.tid for record in records[:1])
    waiting: dict[int, list[SyscallRecord]] = {}
    for index, record in enumerate(records):
        for ended in waiting.pop(index, ()):
            yield _resumed_line(ended, _prefix(ended.tid, alive, pids))
        if record.tid not in alive and not isinstance(record, ExitRecord):
            yield f"strace: Process {record.tid} attached"
            alive[record.tid] = None
        prefix = _prefix(record.tid, alive, pids)
        following = records[index + 1] if index + 1 < len(records) else None
        if isinstance(record, SyscallRecord):
            born = _born(record)
            unfinished = record.ended is not None and record.ended > index + 1
            if unfinished and record.ended is not None:
                waiting.setdefault(record.ended, []).append(record)
            yield _call_line(
                record, prefix, born, unfinished=unfinished, killed=_is_kill(following, record.tid)
            )
            if born is not None:
                alive[born] = None
        elif isinstance(record, ExitRecord):
            yield prefix + _exit_line(record)
            alive.pop(record.tid, None)
        elif not _is_kill(record, record.tid):
            yield prefix + _signal_line(record)
    for late in waiting.values():
        for ended in late:
            yield _resumed_line(ended, _prefix(ended.tid, alive, pids))


def _prefix(tid: int, alive: dict[int, None], pids: bool | None) -> str:
    shown = len(alive) > 1 if pids is None else pids
    return f"[pid {tid:5}] " if shown else ""


def _born(record: SyscallRecord) -> int | None:
    """The process or thread that the call made."""
    made = (
        record.name in ("fork", "vfork", "clone", "clone3")
        and record.result is not None
        and record.result > 0
    )
    return record.result if made else None


def _is_kill(record: TraceRecord | None, tid: int) -> bool:
    """SIGKILL, which no tracer sees: the call during which it comes never returns."""
    return isinstance(record, SignalRecord) and record.signal == Signal.SIGKILL and record.tid == tid


def _call_line(
    record: SyscallRecord, prefix: str, born: int | None, *, unfinished: bool, killed: bool
) -> str:
    begun, rest = _parts(record)
    attached = f"strace: Process {born} attached\n" if born is not None else ""
    start = f"{prefix}{record.name}({begun}"
    if unfinished:
        return start + attached + " <unfinished ...>"
    padding = " " * (RESULT_COLUMN - 1 - len(start) - len(rest) - 1)
    return f"{start}{attached}{rest}){padding} = {'?' if killed else _shown_result(record)}"


def _parts(record: SyscallRecord) -> tuple[str, str]:
    """What is printed before the call is carried out, and after."""
    begun, rest = record.arguments[: record.early], record.arguments[record.early :]
    lead = ", " if begun and rest else ""
    if record.name in ("clone", "clone3"):
        return ", ".join(begun), lead + ", ".join(rest)
    return ", ".join(begun) + lead, ", ".join(rest)


def syscall_line(record: SyscallRecord) -> str:
    """``write(1, "hello\\n", 6)                  = 6``."""
    return _call_line(record, "", None, unfinished=False, killed=False)


def _resumed_line(record: SyscallRecord, prefix: str) -> str:
    line = f"{prefix}<... {record.name} resumed>{_parts(record)[1]})"
    return f"{line:<{RESULT_COLUMN - 1}} = {_shown_result(record)}"


def _shown_result(record: SyscallRecord) -> str:
    return _result(record) + (f" ({record.note})" if record.note else "")


def _result(record: SyscallRecord) -> str:
    result = record.result
    if record.result_text or result is None:
        return record.result_text or "?"
    if -4096 < result < 0:
        error = find_errno(-result)
        return f"-1 {error.name}" if error is not None else f"-1 (errno {-result})"
    return str(result)


def _signal_line(record: SignalRecord) -> str:
    from toolkit.kernel.strace.values import signal_text

    name = signal_text(record.signal)
    fields = [f"si_signo={name}", f"si_code={code_name(record.signal, record.code)}"]
    fields += _signal_fields(record)
    return f"--- {name} {{{', '.join(fields)}}} ---"


def _signal_fields(record: SignalRecord) -> list[str]:
    """What siginfo_t holds for this kind of signal."""
    from toolkit.kernel.strace.values import signal_text

    sender = [f"si_pid={record.sender}", f"si_uid={record.uid}"]
    value = [
        f"si_int={record.value & 0xFFFFFFFF}",
        f"si_ptr={record.value:#x}" if record.value else "si_ptr=NULL",
    ]
    if record.code == SI_TIMER:
        return [f"si_timerid={record.timer:#x}", f"si_overrun={record.overrun}", *value]
    if record.code == SI_QUEUE:
        return [*sender, *value]
    if record.code <= SI_USER:
        return sender
    if record.signal == Signal.SIGCHLD:
        exited = record.code == CLD_EXITED
        status = str(record.status) if exited else signal_text(record.status)
        return [*sender, f"si_status={status}", "si_utime=0", "si_stime=0"]
    if record.code == SI_KERNEL and record.signal not in _FAULTS:
        return []
    return [f"si_addr={record.address:#x}" if record.address else "si_addr=NULL"]


def _exit_line(record: ExitRecord) -> str:
    from toolkit.kernel.strace.values import signal_text

    if record.signal is None:
        return f"+++ exited with {record.exit_code} +++"
    core = " (core dumped)" if record.core_dumped else ""
    return f"+++ killed by {signal_text(record.signal)}{core} +++"
