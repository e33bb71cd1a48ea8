"""Real programs in a real worker process: what comes back, and that nothing a program does gets further."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from toolkit.grading.checks import Failure
from toolkit.grading.evidence import Broken, BuildRequest, Evidence, FileData, RunRequest
from toolkit.grading.program import Program, ProgramOptions
from toolkit.grading.sandbox import WorkerSandbox

HEAD = "global _start\nsection .text\n"
EXIT = "\n mov eax, 60\n xor edi, edi\n syscall\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[WorkerSandbox]:
    with WorkerSandbox() as worker:
        yield worker


def program(sandbox: WorkerSandbox, source: str, **options: object) -> Program:
    build = BuildRequest("prog", (FileData("prog.asm", (HEAD + source).encode()),))
    return Program(build, ProgramOptions(**options), sandbox)  # type: ignore[arg-type]


def test_a_build_and_its_code(sandbox: WorkerSandbox) -> None:
    built = program(
        sandbox, "_start: mov eax, 60\n syscall\ntext: db 0xff, 0xff\nlast: ret\nsection .bss\nroom: resb 9\n"
    )
    assert built.symbols["room"] == 0x402000
    assert (built.sections[".bss"].size, built.sections[".bss"].flags) == (16, "WA")
    assert [each.mnemonic for each in built.instructions if each.location is not None] == [
        "mov",
        "syscall",
        "ret",
    ]
    built.expect.instruction("syscall", at_most=1)
    built.expect.no_instruction("div")
    built.expect.symbol("room", section=".bss")
    built.expect.section(".bss", size=16)
    built.expect.code_size(at_most=20)
    built.expect.source("syscall")
    built.expect.no_loop()
    program(sandbox, "_start: nop\n.again: dec ecx\n jnz .again\n").expect.loop()
    with pytest.raises(Failure, match="mov is not allowed here") as caught:
        built.expect.no_instruction("mov")
    assert str(caught.value.location) == "prog.asm:3"


def test_diagnostics_come_back(sandbox: WorkerSandbox) -> None:
    built = program(sandbox, "_start: movv rax, 1\n mov rax rbx\n").build
    assert built.elf is None
    assert [each.location.line for each in built.diagnostics if each.location] == [3, 4]
    assert "^" in built.diagnostics[0].text


COPY = (
    """
_start:
    mov rdi, [rsp + 16]     ; argv[1]
    mov eax, 2
    xor esi, esi
    syscall
    mov edi, eax
    xor eax, eax
    mov rsi, buffer
    mov edx, 100
    syscall
    mov edx, eax
    mov eax, 1
    mov edi, 1
    mov rsi, buffer
    syscall
"""
    + EXIT
    + "section .bss\nbuffer: resb 100\n"
)


def test_arguments_files_streams_and_calls(sandbox: WorkerSandbox) -> None:
    run = program(sandbox, COPY).run("in.txt", files={"in.txt": b"contents\n", "gone.txt": None})
    run.expect.exit(0)
    run.expect.stdout(b"contents\n")
    run.expect.file("in.txt", b"contents\n")
    run.expect.syscall("open", result=3)
    run.expect.syscall("write", args=(1, None, 9), result=9, times=1)
    run.expect.area(name="", perms="rw-p", contains="buffer")  # nothing but .bss: no file behind it
    run.expect.memory("buffer", b"contents")
    run.expect.memory("buffer+3", b"tents")
    run.expect.register("edx", 9, at="syscall:write")
    assert str(run.syscalls[0].location) == "prog.asm:8"
    assert "00401000-00402000 r-xp" in run.maps().text


ENDLESS: dict[str, tuple[str, str, str]] = {
    "for ever": ("_start: jmp _start\n", "budget", "prog.asm:3"),
    "waiting for ever": ("_start: mov eax, 34\n syscall\n", "deadlock", "prog.asm:4"),
    "printing for ever": (
        "_start: mov eax, 1\n mov edi, 1\n mov rsi, text\n mov edx, 65536\n syscall\n jmp _start\nsection .bss\ntext: resb 65536\n",
        "output",
        "prog.asm",
    ),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_endless_programs_are_ended(sandbox: WorkerSandbox, case: str) -> None:
    source, how, where = ENDLESS[case]
    began = time.monotonic()
    run = program(sandbox, source, budget=5_000_000).run()
    assert run.evidence.cut_short == how
    assert len(run.stdout) <= 8 << 20
    with pytest.raises(Failure, match="does not end") as caught:
        run.expect.exit(0)
    assert where in str(caught.value.location)
    assert time.monotonic() - began < 20


def test_a_looping_program_is_ended_at_a_moment(sandbox: WorkerSandbox) -> None:
    run = program(sandbox, "_start: jmp _start\n").run(
        kill_at="step:1000", kill_with="SIGINT", at=["step:500"]
    )
    run.expect.signal("SIGINT")
    run.expect.area(at="step:500", name="program", perms="r-xp")
    assert 1000 <= run.instructions <= 1001


HUGE = (
    """
_start:
    mov eax, 9
    xor edi, edi
    mov rsi, 1 << 40
    mov edx, 3
    mov r10d, 0x4022        ; MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    mov r8, -1
    xor r9d, r9d
    syscall
    mov byte [rax + 0x7fffffff], 1
"""
    + EXIT
)


def test_mapping_a_tebibyte(sandbox: WorkerSandbox) -> None:
    run = program(sandbox, HUGE).run()
    run.expect.exit(0)
    run.expect.area(size=1 << 40, perms="rw-p")


FATES = {
    "jump to 0": ("_start: xor eax, eax\n jmp rax\n", "SIGSEGV", "executing at address 0x0"),
    "no exit": ("_start: mov eax, 1\n", "SIGSEGV", "ran past its last instruction"),
    "division": ("_start: xor ecx, ecx\n div ecx\n", "SIGFPE", "the divisor is ecx = 0"),
    "privileged": ("_start: hlt\n", "SIGSEGV", "privileged"),
    "breakpoint": ("_start: int3\n", "SIGTRAP", "breakpoint"),
    "read-only": (
        "_start: mov byte [_start], 1\n",
        "SIGSEGV",
        "the area's rights are r-xp; to write it must have w",
    ),
}


@pytest.mark.parametrize("case", FATES)
def test_fates_are_explained(sandbox: WorkerSandbox, case: str) -> None:
    source, signal, words = FATES[case]
    run = program(sandbox, source).run()
    run.expect.signal(signal)
    with pytest.raises(Failure) as caught:
        run.expect.exit(0)
    assert any(words in line for line in caught.value.explanation), caught.value.explanation


FUNCTIONS = """
_start: ret
length:                     ; length of a string
    xor eax, eax
.next: cmp byte [rdi + rax], 0
    je .end
    inc rax
    jmp .next
.end: ret
upper:                      ; one byte too far when rsi is the size
    mov byte [rdi + rsi], 'X'
    ret
bad: xor ebx, ebx
    push rax
    std
    pop rcx
    ret
lost: pop rax
    jmp rax
sum: mov rax, rdi
    add rax, r9
    add rax, [rsp + 8]
    add rax, [rsp + 16]
    ret
leaves: mov eax, 60
    mov edi, 5
    syscall
twice: push rbx
    call length
    call length
    pop rbx
    ret
often: push rdi             ; many calls
.again: call .nothing
    dec qword [rsp]
    jnz .again
    pop rdi
.nothing: ret
factorial: mov eax, 1
    test edi, edi
    jz .end
    push rdi
    dec edi
    call factorial
    pop rdi
    imul rax, rdi
.end: ret
crooked: call length        ; rsp is a multiple of 16 plus 8 here
    ret
deep: sub rsp, 1000         ; uses its red zone to the last byte, and memory of its own
    mov byte [rsp], 1
    mov byte [rsp - 128], 1
    add rsp, 1000
    ret
too_deep: mov byte [rsp - 129], 1
    ret
framed_too_deep: push rbp
    mov rbp, rsp
    sub rsp, 256
    mov byte [rsp - 140], 1
    leave
    ret
no_frame: push rbp          ; a local variable without room for it
    mov rbp, rsp
    mov [rbp - 8], rsi
    call length
    add rax, [rbp - 8]
    pop rbp
    ret
pushes: push qword [.no_address]
    push rdi
    ret
.no_address: dq 0x1234_5678_9abc_def0
pops: pop rax
    mov qword [rsp], 5
    ret
squats: mov rdi, [rsp]      ; maps memory where its caller should be, and puts hlt there
    and rdi, -4096
    mov eax, 9
    mov esi, 4096
    mov edx, 7
    mov r10d, 0x100022
    mov r8, -1
    xor r9d, r9d
    syscall
    mov rdi, [rsp]
    mov byte [rdi], 0xf4
    ret
far_calls: sub rsp, 3000
    call deep
    add rsp, 3000
    ret
"""


def test_calls(sandbox: WorkerSandbox) -> None:
    library = program(sandbox, FUNCTIONS)
    library.expect.call("length", b"hello\0", returns=5)
    library.expect.call("upper", bytearray(b"abc"), 2, after={0: b"abX"})
    library.expect.call("sum", 1, 2, 3, 4, 5, 6, 70, 800, returns=877)
    library.expect.call("leaves", exits=5)
    assert library.call("twice", b"\0", count_label="length").label_count == 2
    assert library.call("length", b"\0") == 0
    assert library.call("factorial", 6, count_label="factorial") == 720
    assert library.call("often", 200_000).instructions > 800_000
    library.call("deep")
    library.call("far_calls")


BAD_CALLS = {
    "one byte too far": (
        "upper",
        (bytearray(b"abc"), 3),
        "does not come back",
        "argument 0 (rdi) has 3 bytes, the last one at 0x5eaf10ffffff: this is 1 byte too far",
    ),
    "a string without its end": ("length", (b"abc",), "does not come back", "this is 1 byte too far"),
    "one byte before": ("upper", (bytearray(b"abc"), -1), r"it writes 1 byte before argument 0 \(rdi\)", ""),
    "pushed and not popped": (
        "pushes",
        (),
        "does not come back",
        "rsp is 16 bytes lower than when pushes was called: what is pushed must be popped before ret",
    ),
    "popped too often": ("pops", (), "does not come back", "rsp is 8 bytes higher than when pops was called"),
    "writing where one may only read": (
        "upper",
        (b"abc", 0),
        "does not come back",
        "to write it must have w",
    ),
    "registers": ("bad", (), "rbx must be kept.*direction flag", ""),
    "a call from a crooked stack": (
        "crooked",
        (b"\0",),
        r"rsp is 0x7\w+8 at the call at prog.asm:\d+: it must be a multiple of 16 there",
        "",
    ),
    "below the red zone": ("too_deep", (), "it writes 1 byte below the red zone", ""),
    "below a frame's red zone": ("framed_too_deep", (), "it writes 12 bytes below the red zone", ""),
    "its caller's place taken": ("squats", (), "squats.*does not come back", "hlt"),
    "no return": ("leaves", (), "ends the program instead of returning", ""),
    "no such function": ("missing", (), "defines no symbol missing", ""),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls(sandbox: WorkerSandbox, case: str) -> None:
    name, arguments, message, explanation = BAD_CALLS[case]
    with pytest.raises(Failure, match=message) as caught:
        program(sandbox, FUNCTIONS).call(name, *arguments)  # type: ignore[arg-type]
    assert explanation in "\n".join(caught.value.explanation)


def test_a_function_as_an_argument_is_told_by_its_name(sandbox: WorkerSandbox) -> None:
    library = program(sandbox, FUNCTIONS)
    with pytest.raises(Failure, match=r"^sum\(length, 0, 5\) returns the wrong rax"):
        library.expect.call("sum", library.symbols["length"], 0, 5, returns=1)


def test_an_argument_is_not_what_a_program_began_with(sandbox: WorkerSandbox) -> None:
    with pytest.raises(Failure) as caught:
        program(sandbox, FUNCTIONS).call("length", b"abc")
    assert "rdi was never set: it has the value from the beginning" in caught.value.explanation


def test_a_broken_convention_is_helped_with_itself(sandbox: WorkerSandbox) -> None:
    with pytest.raises(Failure, match="breaks the calling convention") as caught:
        program(sandbox, FUNCTIONS).call("bad")
    assert "pop them in the opposite order" in caught.value.help


def test_a_red_zone_does_not_last_over_a_call(sandbox: WorkerSandbox) -> None:
    library = program(sandbox, FUNCTIONS)
    with pytest.raises(Failure, match="keeps something below rsp over a call") as caught:
        library.expect.call("no_frame", b"ab\0", 40, returns=42)
    assert caught.value.expected == "rax = 42 (0x2a)"
    with pytest.raises(Failure, match="returns the wrong rax"):
        library.expect.call("length", b"ab\0", returns=3)


def test_the_stack_pointer_is_kept(sandbox: WorkerSandbox) -> None:
    source = "_start: ret\nf: pop rax\n push rax\n push rax\n ret 16\n"
    with pytest.raises(Failure, match="rsp is 8 bytes too high on return"):
        program(sandbox, source).call("f")


def test_32_and_64_bits_take_turns(sandbox: WorkerSandbox) -> None:
    source = (HEAD + "_start: mov eax, 1\n mov ebx, 5\n int 0x80\n").encode()
    narrow = RunRequest(BuildRequest("p", (FileData("p.asm", source),), format="elf32"))
    for _ in range(2):
        program(sandbox, COPY).run("in.txt", files={"in.txt": b"x"}).expect.exit(0)
        evidence = sandbox.run(narrow)
        assert isinstance(evidence, Evidence), evidence
        assert evidence.exit_code == 5


def test_equal_requests_have_equal_evidence(sandbox: WorkerSandbox) -> None:
    request = RunRequest(
        BuildRequest("p", (FileData("p.asm", (HEAD + COPY).encode()),)), (b"in.txt",), seed=3
    )
    first, second = sandbox.run(request), sandbox.run(request)
    assert isinstance(first, Evidence)
    assert first == second
    with WorkerSandbox() as other:
        assert other.run(request) == first
    assert sandbox.run(replace(request, seed=4)) != Broken("")


def test_incbin_and_include_reach_nothing_of_the_host(sandbox: WorkerSandbox) -> None:
    for line in ('incbin "/etc/passwd"', '%include "../../grader.py"', 'incbin "/proc/self/environ"'):
        built = program(sandbox, f"_start: nop\n{line}\n").build
        assert built.elf is None
        assert "root:" not in "".join(each.text for each in built.diagnostics)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_a_worker_holds_nothing_of_its_parents(sandbox: WorkerSandbox) -> None:
    program(sandbox, "_start: ret\n").run()
    worker = sandbox._worker
    assert worker is not None
    pid = worker._process.pid
    with open(f"/proc/{pid}/environ", "rb") as environment:
        assert environment.read() == b""
    descriptors = {
        os.readlink(f"/proc/{pid}/fd/{name}").split(":")[0] for name in os.listdir(f"/proc/{pid}/fd")
    }
    assert descriptors <= {"pipe", "/dev/null"}
    assert os.readlink(f"/proc/{pid}/cwd").endswith(" (deleted)")
    assert os.listdir(f"/proc/{pid}/cwd") == []
    with open(f"/proc/{pid}/limits") as limits:
        rows = {line[:26].strip(): line[26:].split()[0] for line in limits}
    assert (rows["Max core file size"], rows["Max file size"], rows["Max processes"]) == ("0", "0", "0")


def test_how_many_events_a_run_may_cause(sandbox: WorkerSandbox) -> None:
    """A grader's EVENTS; all the calls are kept as evidence, the first 2,000 of them written out."""
    endless = "_start: mov edi, -1\n mov esi, 5\n mov eax, 3\n syscall\n jmp _start\n"
    run = program(sandbox, endless, events=3000).run()
    assert run.evidence.cut_short == "events"
    assert 2900 < len(run.syscalls) <= 3000
    assert run.syscalls[0].text.startswith("close(-1)")
    assert (run.syscalls[-1].text, run.syscalls[-1].error) == ("", "EBADF")
    with pytest.raises(
        Failure, match="still running after 3,000 system calls, faults, signals and changes of code"
    ):
        run.expect.exit(0)
    with pytest.raises(Failure) as caught:
        run.expect.syscall("close", times=7)
    assert "… and 29" in (caught.value.actual or "")
