"""What each expectation accepts, and what it says when it is not met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.grading.fakes import AREAS, REGISTERS, FakeSandbox, area, moment
from toolkit.grading import regex
from toolkit.grading.categories import Category
from toolkit.grading.checks import Failure, GraderError
from toolkit.grading.evidence import (
    BuildRequest,
    Evidence,
    FaultRecord,
    FileData,
    Location,
    RunRequest,
    SyscallRecord,
)
from toolkit.grading.program import Program, ProgramOptions, Run, peek_key

FAULT = FaultRecord(
    "SIGSEGV",
    1,
    0x3FFFFF,
    "read",
    REGISTERS | {"rip": 0x401000},
    b"\x8a\x03",
    location=Location("prog.asm", 7),
)
CALLS = (
    SyscallRecord("open", 2, (0x402000, 0, 0), -2, "ENOENT", 'open("x") = -1 ENOENT'),
    SyscallRecord("mmap", 9, (0, 4096, 1, 2, 0xFFFFFFFF, 0), 0x7FFFF7FBD000, None, "mmap(…)"),
    SyscallRecord("exit", 60, (0,), None, None, "exit(0) = ?"),
)
EVIDENCE = Evidence(
    exit_code=3, stdout=b"hello\n", stderr=b"oh", files={"out.txt": b"data"}, syscalls=CALLS, instructions=100
)
KILLED = Evidence(signal="SIGSEGV", fault=FAULT)
ENDLESS = Evidence(cut_short="budget", instructions=1000, last_location=Location("prog.asm", 9))


def run(evidence: Evidence | Callable[[RunRequest], Evidence] = EVIDENCE) -> Run:
    build = BuildRequest("prog", (FileData("prog.asm", b""),))
    return Program(build, ProgramOptions(), FakeSandbox(evidence)).run()


Use = Callable[[Any], object]

HOLDS: dict[str, tuple[Evidence, Use]] = {
    "exit": (EVIDENCE, lambda e: e.exit(3)),
    "signal": (KILLED, lambda e: e.signal("SIGSEGV")),
    "any fault": (KILLED, lambda e: e.fault()),
    "fault at an address": (KILLED, lambda e: e.fault(access="read", address=0x3FFFFF)),
    "fault in a range": (KILLED, lambda e: e.fault(address=range(0x3FF000, 0x400000))),
    "killed by the instruction": (KILLED, lambda e: e.killed_by("_start")),
    "fault at a label": (KILLED, lambda e: e.fault(label="_start")),
    "stdout": (EVIDENCE, lambda e: e.stdout(b"hello\n")),
    "stdout as text": (EVIDENCE, lambda e: e.stdout("hello\n")),
    "stdout by pattern": (EVIDENCE, lambda e: e.stdout(regex(r"h.*\n"))),
    "stdout contains": (EVIDENCE, lambda e: e.stdout(contains=b"ell")),
    "stdout contains a pattern": (EVIDENCE, lambda e: e.stdout(contains=regex("l+o"))),
    "stderr": (EVIDENCE, lambda e: e.stderr(b"oh")),
    "file": (EVIDENCE, lambda e: e.file("out.txt", b"data")),
    "no file": (EVIDENCE, lambda e: e.file("other.txt", None)),
    "file contains": (EVIDENCE, lambda e: e.file("out.txt", contains=b"at")),
    "area by path": (EVIDENCE, lambda e: e.area(path="test.txt", perms="rw-p", size=4096, offset=0)),
    "area by whole path": (EVIDENCE, lambda e: e.area(path="/home/student/test.txt")),
    "area by name": (EVIDENCE, lambda e: e.area(name="[stack]", at_least=4096)),
    "area of the program": (EVIDENCE, lambda e: e.area(name="program", perms="r-xp", contains="_start")),
    "areas counted": (EVIDENCE, lambda e: e.area(name="program", count=3)),
    "either permission": (EVIDENCE, lambda e: e.area(start=0x402000, perms="r??p")),
    "no area": (EVIDENCE, lambda e: e.no_area(name="[heap]")),
    "syscall": (EVIDENCE, lambda e: e.syscall("mmap")),
    "syscall with arguments": (EVIDENCE, lambda e: e.syscall("mmap", args=(0, 4096, None, 2, -1))),
    "syscall with error": (EVIDENCE, lambda e: e.syscall("open", error="ENOENT", times=1)),
    "no syscall": (EVIDENCE, lambda e: e.no_syscall("write", "brk")),
    "syscall zero times": (EVIDENCE, lambda e: e.syscall("write", times=0)),
    "register": (EVIDENCE, lambda e: e.register("rsp", 0x7FFFFFFFE000)),
    "instructions": (EVIDENCE, lambda e: e.instructions(at_most=100, at_least=100)),
    "output of an endless run": (replace(ENDLESS, stdout=b"x"), lambda e: e.stdout(b"x")),
}


@pytest.mark.parametrize("case", HOLDS)
def test_holds(case: str) -> None:
    evidence, use = HOLDS[case]
    use(run(evidence).expect)


FAILS: dict[str, tuple[Evidence, Use, str, str, str]] = {
    # what: evidence, expectation, then parts of message, expected, actual
    "exit": (EVIDENCE, lambda e: e.exit(0), "ends otherwise", "exit status 0", "exit status 3"),
    "exit of a killed": (
        KILLED,
        lambda e: e.exit(0),
        "ends otherwise",
        "exit status 0",
        "SIGSEGV (exit status 139)",
    ),
    "exit of an endless": (
        ENDLESS,
        lambda e: e.exit(0),
        "does not end",
        "exit status 0",
        "1,000 instructions, at prog.asm:9",
    ),
    "signal": (
        EVIDENCE,
        lambda e: e.signal("SIGSEGV"),
        "ends otherwise",
        "(exit status 139)",
        "exit status 3",
    ),
    "no fault": (EVIDENCE, lambda e: e.fault(), "ends otherwise", "a fault", "exit status 3"),
    "access": (KILLED, lambda e: e.fault(access="write"), "another one", "writing", "reading 0x3fffff"),
    "address": (KILLED, lambda e: e.fault(address=0), "another one", "0x0", "0x3fffff"),
    "label": (KILLED, lambda e: e.fault(label="buffer"), "another instruction", "buffer", "prog.asm:7"),
    "stdout": (EVIDENCE, lambda e: e.stdout(b"hullo\n"), "from byte 1 on", '"hullo\\n"', '"hello\\n"'),
    "too short": (EVIDENCE, lambda e: e.stdout(b"hello\n\n"), "the last line (10) is missing", "", ""),
    "one byte short": (
        EVIDENCE,
        lambda e: e.stdout(b"hello\n!"),
        "differs: the last byte is missing",
        "",
        "",
    ),
    "a byte too many": (EVIDENCE, lambda e: e.stdout(b"hello"), "differs: 1 byte too many", "", ""),
    "nothing written": (
        replace(EVIDENCE, stdout=b"", stderr=b""),
        lambda e: e.stdout(b"x"),
        "it is empty; the program never called write",
        "",
        "",
    ),
    "written elsewhere": (
        replace(EVIDENCE, stdout=b"", stderr=b"x"),
        lambda e: e.stdout(b"x"),
        "it is empty; something was written to the standard error",
        "",
        "",
    ),
    "killed elsewhere": (
        KILLED,
        lambda e: e.killed_by("buffer"),
        "another instruction kills the program than the one at buffer",
        "the one at buffer",
        "prog.asm:7",
    ),
    "not killed": (EVIDENCE, lambda e: e.killed_by("_start"), "ends otherwise", "at _start", "status 3"),
    "a long text": (
        replace(EVIDENCE, stdout=b"a" * 5000 + b"c" * 500),
        lambda e: e.stdout(b"a" * 5000 + b"b"),
        "from byte 5000 on",
        f'…"{"a" * 40}b" (5001 bytes in all)',
        f'…"{"a" * 40}{"c" * 120}"… (5500 bytes in all)',
    ),
    "too long": (EVIDENCE, lambda e: e.stdout(b"hell"), "2 bytes too many", "", ""),
    "contains": (EVIDENCE, lambda e: e.stdout(contains=b"bye"), "does not contain", '"bye"', '"hello\\n"'),
    "file missing": (EVIDENCE, lambda e: e.file("no.txt", b""), "no.txt does not exist", "", "no such file"),
    "file there": (EVIDENCE, lambda e: e.file("out.txt", None), "out.txt exists", "no file", '"data"'),
    "area's rights": (
        EVIDENCE,
        lambda e: e.area(path="test.txt", perms="r--p"),
        "it is writable, must not be (rw-p, expected r--p)",
        "r--p, test.txt",
        "7ffff7fbd000-7ffff7fbe000 rw-p 00000000 /home/student/test.txt",
    ),
    "area's size": (
        EVIDENCE,
        lambda e: e.area(path="test.txt", size=8192),
        "it is 4096 bytes (1 page) long, not 8192 bytes (2 pages)",
        "8192 bytes",
        "test.txt",
    ),
    "area missing": (EVIDENCE, lambda e: e.area(name="[heap]"), "has no such area", "[heap]", "[stack]"),
    "area too many": (
        EVIDENCE,
        lambda e: e.area(name="program", count=2),
        "3 areas are like that",
        "program",
        "400000",
    ),
    "no area": (EVIDENCE, lambda e: e.no_area(name="[stack]"), "should not be there", "[stack]", "rw-p"),
    "syscall": (EVIDENCE, lambda e: e.syscall("brk"), "never called brk", "brk", "open, mmap, exit"),
    "arguments": (
        EVIDENCE,
        lambda e: e.syscall("mmap", args=(0, 1)),
        "not called so",
        "mmap(0, 1",
        "mmap(…)",
    ),
    "times": (EVIDENCE, lambda e: e.syscall("mmap", times=2), "so 1 time, 2 expected", "", ""),
    "no syscall": (EVIDENCE, lambda e: e.no_syscall("mmap"), "called mmap", "no mmap", "mmap"),
    "register": (
        EVIDENCE,
        lambda e: e.register("eax", -1),
        "eax is wrong at the end",
        "0xffffffffffffffff",
        "0 (0x0)",
    ),
    "instructions": (EVIDENCE, lambda e: e.instructions(at_most=99), "too many", "at most 99", "100"),
    "symbol": (EVIDENCE, lambda e: e.area(contains="missing"), "defines no symbol missing", "", ""),
}


CATEGORIES: dict[Category, tuple[Evidence, Use]] = {
    Category.ENDLESS: (ENDLESS, lambda e: e.exit(0)),
    Category.ENDING: (EVIDENCE, lambda e: e.exit(0)),
    Category.OUTPUT: (EVIDENCE, lambda e: e.file("out.txt", None)),
    Category.MAP: (EVIDENCE, lambda e: e.no_area(name="[stack]")),
    Category.STATE: (EVIDENCE, lambda e: e.register("eax", -1)),
    Category.CALLS: (EVIDENCE, lambda e: e.no_syscall("mmap")),
    Category.COURSE: (EVIDENCE, lambda e: e.instructions(at_most=99)),
    Category.CODE: (EVIDENCE, lambda e: e.area(contains="missing")),
}


@pytest.mark.parametrize("category", CATEGORIES)
def test_of_which_kind_a_failure_is(category: Category) -> None:
    evidence, use = CATEGORIES[category]
    with pytest.raises(Failure) as caught:
        use(run(evidence).expect)
    assert caught.value.category is category


@pytest.mark.parametrize("case", FAILS)
def test_fails(case: str) -> None:
    evidence, use, message, expected, actual = FAILS[case]
    with pytest.raises(Failure) as caught:
        use(run(evidence).expect)
    failure = caught.value
    assert message in failure.message
    assert expected in (failure.expected or "")
    assert actual in (failure.actual or "")


GRADER_ERRORS: dict[str, Use] = {
    "exit status out of range": lambda e: e.exit(256),
    "no such signal": lambda e: e.signal("SIGFOO"),
    "no such access": lambda e: e.fault(access="touch"),
    "no such property": lambda e: e.area(colour="red"),
    "rights written wrongly": lambda e: e.area(perms="rw"),
    "rights in the wrong order": lambda e: e.area(perms="wr-p"),
    "no such moment": lambda e: e.area(at="noon"),
    "no such system call": lambda e: e.area(at="syscall:openn"),
    "no such register": lambda e: e.register("rzx", 1),
    "neither text nor bytes": lambda e: e.stdout(5),
    "bad pattern": lambda e: e.stdout(regex("(")),
    "nothing to compare with": lambda e: e.stdout(),
}


@pytest.mark.parametrize("case", GRADER_ERRORS)
def test_a_graders_mistake_is_not_the_students(case: str) -> None:
    with pytest.raises(GraderError):
        GRADER_ERRORS[case](run().expect)


def test_a_fault_is_located_and_explained() -> None:
    with pytest.raises(Failure) as caught:
        run(KILLED).expect.exit(0)
    assert caught.value.location == Location("prog.asm", 7)
    assert any("0x3fffff" in line for line in caught.value.explanation)


def test_a_moment_not_declared_is_recorded_by_running_again() -> None:
    def answer(request: RunRequest) -> Evidence:
        reached = {
            name: moment(rax=len(request.moments)) for name in request.moments if name != "syscall:brk"
        }
        return Evidence(exit_code=0, moments=reached)

    sandbox = FakeSandbox(answer)
    program = Program(BuildRequest("prog"), ProgramOptions(), sandbox)
    first = program.run()
    assert first.registers("label:_start")["rax"] == 2
    assert first.registers("label:_start")["rax"] == 2
    assert len(sandbox.requests) == 2
    with pytest.raises(Failure, match="never called brk"):
        first.maps("syscall:brk")


def test_equal_runs_are_made_once() -> None:
    sandbox = FakeSandbox(EVIDENCE)
    program = Program(BuildRequest("prog"), ProgramOptions(), sandbox)
    program.run("a", stdin="x")
    program.run(b"a", stdin=b"x")
    program.run("b", stdin=b"x")
    assert len(sandbox.requests) == 2


def test_memory_is_peeked_at_by_running_again() -> None:
    def answer(request: RunRequest) -> Evidence:
        memory = {peek_key(peek): b"abc" for peek in request.peeks}
        return Evidence(exit_code=0, moments={"exit": replace(moment(), memory=memory)})

    run(answer).expect.memory("buffer", b"abc")
    with pytest.raises(Failure, match="memory at buffer is wrong"):
        run(answer).expect.memory("buffer", b"abd")


@pytest.mark.parametrize(
    ("asked", "reached", "good"), [(None, 1, True), (3, 3, True), (3, 2, False), (3, 4, False), (0, 0, True)]
)
def test_label_counts(asked: int | None, reached: int, good: bool) -> None:
    names = {f"label:_start:{number}" for number in range(1, reached + 1)} | (
        {"label:_start"} if reached else set()
    )

    def answer(request: RunRequest) -> Evidence:
        return Evidence(exit_code=0, moments={name: moment() for name in request.moments if name in names})

    expect = run(answer).expect
    if good:
        expect.label("_start", times=asked)
    else:
        with pytest.raises(Failure):
            expect.label("_start", times=asked)


NATIVE_MAP = """\
00400000-00401000 r--p 00000000 08:01 1234 /tmp/native/prog
00401000-00402000 r-xp 00001000 08:01 1234 /tmp/native/prog
00402000-00403000 rw-p 00002000 08:01 1234 /tmp/native/prog
7ffff7fbd000-7ffff7fbe000 rw-p 00000000 08:01 99 /tmp/native/test.txt
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]
"""


def test_whole_map_is_compared_but_for_device_inode_and_directory() -> None:
    run().expect.maps(NATIVE_MAP)


def test_a_map_that_differs_is_told_area_by_area() -> None:
    wrong = (*AREAS[:2], area(0x402000, 0x404000, "r--p", "/home/student/prog", 0x2000), *AREAS[4:])
    evidence = Evidence(exit_code=0, moments={"exit": moment(wrong)})
    with pytest.raises(Failure) as caught:
        run(evidence).expect.maps(NATIVE_MAP)
    text = caught.value.actual or ""
    assert "it is not writable, must be (r--p, expected rw-p); it is 4096 bytes (1 page) longer" in text
    assert "this area is missing" in text
    assert "401000" not in text.replace("00401000", "")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a//b", "a\\b"])
def test_files_stay_in_the_programs_directory(name: str) -> None:
    program = Program(BuildRequest("prog"), ProgramOptions(), FakeSandbox(EVIDENCE))
    with pytest.raises(GraderError):
        program.run(files={name: b""})


def test_calls_that_failed_are_told() -> None:
    failed = SyscallRecord(
        "write",
        1,
        (1, 0x57, 14),
        -14,
        "EFAULT",
        "write(1, 0x57, 14)                      = -1 EFAULT (Bad address)",
        Location("prog.asm", 7),
    )
    evidence = replace(EVIDENCE, stdout=b"", stderr=b"", syscalls=(failed, failed))
    with pytest.raises(Failure, match=r"differs: it is empty$") as caught:
        run(evidence).expect.stdout(b"x")
    assert caught.value.explanation == (
        "this system call failed at prog.asm:7: write(1, 0x57, 14) = -1 EFAULT (Bad address)",
    )


def test_what_the_program_was_given_is_told() -> None:
    given = replace(run(EVIDENCE).request, arguments=(b"one", b""), stdin=b"two\n")
    failing = Run(run(EVIDENCE).program, given)
    with pytest.raises(Failure) as caught:
        failing.expect.exit(0)
    assert caught.value.explanation[:2] == (
        'it was run with the arguments "one" ""',
        'its standard input was "two\\n"',
    )
