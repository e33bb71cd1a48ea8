"""What strace prints behind ``=``: a call's result, and what it says of it in parentheses."""

from __future__ import annotations

import time as calendar
from collections.abc import Callable
from functools import partial

from toolkit.abi.errno import find_errno
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.strace import names as n
from toolkit.kernel.strace import structures as s
from toolkit.kernel.strace import values as v
from toolkit.kernel.strace.table import open_flags
from toolkit.kernel.strace.values import Call, signed

RESTARTS = {
    512: "ERESTARTSYS (To be restarted if SA_RESTART is set)",
    514: "ERESTARTNOHAND (To be restarted if no handler)",
    516: "ERESTART_RESTARTBLOCK (Interrupted by signal)",
}

Told = tuple[str, str]
"""The result, and what follows in parentheses."""


def result_text(call: Call) -> Told:
    """How a call that is over went."""
    result = call.result
    if result is None:
        return "?", ""
    if call.failed:
        error = find_errno(-result)
        return (f"-1 {error.name}", error.message) if error is not None else (f"-1 (errno {-result})", "")
    tell = RESULTS.get(call.name)
    return (str(result), "") if tell is None else tell(call, result)


def _noted(note: Callable[[Call], str], call: Call, result: int) -> Told:
    try:
        return str(result), note(call)
    except SyscallError:
        return str(result), ""


def _hexadecimal(call: Call, result: int) -> Told:
    return f"{result:#x}", ""


def _signal(call: Call, result: int) -> Told:
    return str(result), v.signal_text(result)


def _descriptor_entry(call: Call, result: int) -> Told:
    return str(result), f"entry_number={call.number(call.raw[0])}"


def _mask(call: Call, result: int) -> Told:
    return f"0{result:o}" if result >= 0o100 else f"{result:03o}", ""


def _time(call: Call, result: int) -> Told:
    return str(result), calendar.strftime("%Y-%m-%dT%H:%M:%S+0000", calendar.gmtime(result))


def _fcntl(call: Call, result: int) -> Told:
    command = signed(call.raw[1])
    if command == 1:
        return (f"{result:#x}", f"flags {n.DESCRIPTOR_FLAGS.text(result)}") if result else ("0", "")
    if command == 3:
        return f"{result:#x}" if result else "0", f"flags {open_flags(call, result)}"
    return str(result), ""


RESULTS: dict[str, Callable[[Call, int], Told]] = {
    **dict.fromkeys(["mmap", "mmap2", "brk", "mremap", "shmat"], _hexadecimal),
    **dict.fromkeys(["poll", "ppoll", "ppoll_time64"], partial(_noted, s.poll_result)),
    **dict.fromkeys(
        ["select", "_newselect", "pselect6", "pselect6_time64"], partial(_noted, s.select_result)
    ),
    **dict.fromkeys(["rt_sigtimedwait", "rt_sigtimedwait_time64"], _signal),
    **dict.fromkeys(["fcntl", "fcntl64"], _fcntl),
    "set_thread_area": _descriptor_entry,
    "umask": _mask,
    "time": _time,
}
"""By name, those whose result is not just a number."""
