"""What a program did, as strace(1) prints it (strace 6.1, default format: results aligned to column 40)."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.abi.errno import Errno
from toolkit.abi.signals import SI_USER, code_name, signal_name
from toolkit.kernel.outcome import ExitRecord, SignalRecord, SyscallRecord, TraceRecord

RESULT_COLUMN = 40
_ADDRESS_RESULTS = frozenset(["mmap", "mmap2", "brk", "mremap", "shmat"])


def render_trace(records: Iterable[TraceRecord], *, pids: bool | None = None) -> str:
    """The records, one a line. ``pids``: begin each line with the thread's number, as ``strace -f`` does once there are
    several; ``None``: when there are.
    """
    kept = list(records)
    several = len({record.tid for record in kept}) > 1 if pids is None else pids
    lines = (f"[pid {record.tid:5}] {_line(record)}" if several else _line(record) for record in kept)
    return "".join(line + "\n" for line in lines)


def _line(record: TraceRecord) -> str:
    if isinstance(record, SyscallRecord):
        return syscall_line(record)
    if isinstance(record, SignalRecord):
        return _signal_line(record)
    return _exit_line(record)


def syscall_line(record: SyscallRecord) -> str:
    """``write(1, "hello\\n", 6)                  = 6``."""
    call = f"{record.name}({', '.join(record.arguments)})"
    note = f" ({record.note})" if record.note else ""
    return f"{call:<{RESULT_COLUMN - 1}} = {_result(record)}{note}"


def _result(record: SyscallRecord) -> str:
    result = record.result
    if result is None:
        return "?"
    if -4096 < result < 0:
        error = next((each for each in Errno if each.value == -result), None)
        return f"-1 {error.name}" if error is not None else f"-1 (errno {-result})"
    return f"{result:#x}" if record.name in _ADDRESS_RESULTS else str(result)


def _signal_line(record: SignalRecord) -> str:
    name = signal_name(record.signal)
    fields = [f"si_signo={name}", f"si_code={code_name(record.signal, record.code)}"]
    if record.code <= SI_USER:
        fields += [f"si_pid={record.sender}", "si_uid=1000"]
    else:
        fields.append(f"si_addr={record.address:#x}" if record.address else "si_addr=NULL")
    return f"--- {name} {{{', '.join(fields)}}} ---"


def _exit_line(record: ExitRecord) -> str:
    if record.signal is None:
        return f"+++ exited with {record.exit_code} +++"
    core = " (core dumped)" if record.core_dumped else ""
    return f"+++ killed by {signal_name(record.signal)}{core} +++"
