"""System calls and signals as strace prints them."""

from __future__ import annotations

import pytest

from toolkit.kernel.outcome import ExitRecord, SignalRecord, SyscallRecord, TraceRecord
from toolkit.views.activity import render_trace


def call(
    name: str, arguments: tuple[str, ...], result: int | None, note: str = "", tid: int = 7
) -> SyscallRecord:
    return SyscallRecord(7, tid, 0, name, "x86_64", (), arguments, result, note=note)


LINES: dict[str, tuple[TraceRecord, str]] = {
    "a result": (call("write", ("1", '"hello\\n"', "6"), 6), 'write(1, "hello\\n", 6)                  = 6'),
    "an address": (
        call("brk", ("NULL",), 0x404000)._replace(result_text="0x404000"),
        "brk(NULL)                               = 0x404000",
    ),
    "an error": (
        call("open", ('"x"', "O_RDONLY"), -2, "No such file or directory"),
        'open("x", O_RDONLY)                     = -1 ENOENT (No such file or directory)',
    ),
    "no return": (call("exit", ("3",), None), "exit(3)                                 = ?"),
    "longer than the column": (call("x" * 40, (), 0), "x" * 40 + "() = 0"),
    "a fault": (
        SignalRecord(7, 7, 11, 1, 0x3FFFFF, 0),
        "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x3fffff} ---",
    ),
    "a fault at 0": (
        SignalRecord(7, 7, 11, 1, 0, 0),
        "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---",
    ),
    "a kill": (
        SignalRecord(7, 7, 15, 0, 0, 99, 1000),
        "--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=99, si_uid=1000} ---",
    ),
    "an exit": (ExitRecord(7, 7, 3, None, False), "+++ exited with 3 +++"),
    "killed": (ExitRecord(7, 7, None, 11, True), "+++ killed by SIGSEGV (core dumped) +++"),
}


@pytest.mark.parametrize("case", LINES)
def test_lines(case: str) -> None:
    record, line = LINES[case]
    assert render_trace([record]) == line + "\n"


def test_several_threads_are_told_apart() -> None:
    text = render_trace([call("getpid", (), 7), call("getpid", (), 7, tid=12), call("getpid", (), 7)])
    assert [line.split(" getpid")[0] for line in text.splitlines()] == [
        "getpid()                                = 7",
        "strace: Process 12 attached",
        "[pid    12]",
        "[pid     7]",
    ]


def test_a_call_during_which_others_came_is_told_in_two_lines() -> None:
    waits = call("read", ("3", '"x"', "1"), 1)._replace(early=1, ended=3)
    text = render_trace([waits, call("getpid", (), 12, tid=12), ExitRecord(12, 12, 0, None, False)])
    assert text.splitlines() == [
        "read(3,  <unfinished ...>",
        "strace: Process 12 attached",
        "[pid    12] getpid()                    = 12",
        "[pid    12] +++ exited with 0 +++",
        '<... read resumed>"x", 1)               = 1',
    ]
