"""Runs of small programs: endings, budgets, moments, records, limits, and that equal inputs give equal bytes."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest

from toolkit import asm
from toolkit.abi.signals import Signal
from toolkit.asm.link import LinkInput, link
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.kernel import Kernel
from toolkit.kernel.limits import Limits
from toolkit.kernel.moments import Moment, Stop
from toolkit.kernel.outcome import Ending, ExitRecord, Outcome, SignalRecord, SyscallRecord
from toolkit.machine.cpu import Machine

EXIT = "\n mov eax, 60\n xor edi, edi\n syscall\n"


def build(body: str) -> bytes:
    """An executable of `_start: body`."""
    assembled = asm.assemble(f"global _start\nsection .text\n_start:\n{body}\n")
    assert assembled.object is not None, [item.render() for item in assembled.diagnostics]
    linked = link([LinkInput("program.o", assembled.object, assembled.lines)])
    assert linked.elf is not None
    return linked.elf


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


def run(
    machine: Machine, body: str, *, budget: int | None = 1_000_000, stdin: bytes = b"", **options: object
) -> Outcome:
    with Kernel(machine, **options) as kernel:  # type: ignore[arg-type]
        kernel.spawn(build(body), ["./program"], {}, stdin=stdin)
        return kernel.run(budget)


# --- endings -----------------------------------------------------------------------------------------------

SLEEP = "section .data\nt: dq 3600, 0\nsection .text\n mov eax, 35\n mov rdi, t\n xor esi, esi\n syscall"
FORK_BOMB = "again: mov eax, 57\n syscall\n jmp again"
READ_OWN_PIPE = """
 sub rsp, 16
 mov eax, 22
 mov rdi, rsp
 syscall
 xor eax, eax
 mov edi, [rsp]
 mov rsi, rsp
 mov edx, 1
 syscall
"""
PRINT_FOR_EVER = (
    "again: mov eax, 1\n mov edi, 1\n lea rsi, [rel _start]\n mov edx, 4096\n syscall\n jmp again"
)

ENDINGS: dict[str, tuple[str, Ending, int]] = {
    "falls asleep for an hour and ends": (SLEEP + EXIT, Ending.EXITED, 0),
    "loops for ever": ("again: jmp again", Ending.BUDGET, 124),
    "waits for itself": (READ_OWN_PIPE, Ending.DEADLOCK, 124),
    "pauses for ever": ("mov eax, 34\n syscall", Ending.DEADLOCK, 124),
    "prints for ever": (PRINT_FOR_EVER, Ending.OUTPUT_LIMIT, 124),
    "forks for ever": (FORK_BOMB, Ending.BUDGET, 124),
    "jumps to null": ("xor eax, eax\n jmp rax", Ending.SIGNALED, 139),
}


@pytest.mark.parametrize("case", ENDINGS)
def test_ending(case: str, machine: Machine) -> None:
    body, ending, status = ENDINGS[case]
    outcome = run(machine, body, budget=100_000, limits=Limits(output=100_000, processes=30))
    assert (outcome.ending, outcome.status) == (ending, status)


def test_deadlock_says_who_waits_for_what(machine: Machine) -> None:
    outcome = run(machine, READ_OWN_PIPE)
    assert len(outcome.waiting) == 1
    assert "waits in read for data in a pipe" in outcome.waiting[0]


def test_output_is_bounded(machine: Machine) -> None:
    assert len(run(machine, PRINT_FOR_EVER, limits=Limits(output=5000)).stdout) == 5000


@pytest.mark.parametrize("budget", [1, 2, 3, 999, 12_345])
def test_budget_is_exact(budget: int, machine: Machine) -> None:
    outcome = run(machine, "again: jmp again", budget=budget)
    assert outcome.instructions == budget


def test_fault_is_told(machine: Machine) -> None:
    fault = run(machine, "mov rax, 0x1000\n mov dword [rax + 8], 5").fault
    assert fault is not None
    assert (fault.name, fault.access, fault.address, fault.error_code) == (
        "SIGSEGV SEGV_MAPERR",
        "write",
        0x1008,
        6,
    )
    assert fault.registers["rax"] == 0x1000


def test_outcome_can_be_pickled(machine: Machine) -> None:
    outcome = run(machine, "ud2", trace=True)
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_unknown_call_is_broken_and_enosys(machine: Machine) -> None:
    outcome = run(machine, "mov eax, 240\n syscall\n neg eax\n mov edi, eax\n mov eax, 60\n syscall")
    assert outcome.exit_code == 38
    assert [(call.number, call.name) for call in outcome.unknown_syscalls] == [(240, "mq_open")]


def test_a_number_linux_lacks_is_not_broken(machine: Machine) -> None:
    assert run(machine, "mov eax, 5000\n syscall" + EXIT).unknown_syscalls == ()


# --- moments -----------------------------------------------------------------------------------------------

LOOP_OF_CALLS = "mov ebx, 3\nagain: mov eax, 39\n syscall\nafter: dec ebx\n jnz again" + EXIT

MOMENTS: dict[str, Callable[[Stop], bool]] = {
    "start": lambda stop: stop.instructions == 0 and stop.registers["rbx"] == 0,
    "syscall:getpid": lambda stop: stop.registers["rbx"] == 3,
    "syscall:getpid:3": lambda stop: stop.registers["rbx"] == 1,
    "label:after:2": lambda stop: stop.registers["rbx"] == 2,
    "step:4": lambda stop: stop.instructions == 4,
    "exit": lambda stop: b"[stack]" in stop.maps() and stop.registers["rbx"] == 0,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_moment(moment: str, machine: Machine) -> None:
    seen: list[bool] = []
    with Kernel(machine) as kernel:
        kernel.spawn(build(LOOP_OF_CALLS))
        kernel.at(moment, lambda stop: seen.append(MOMENTS[moment](stop)))
        assert kernel.run(10_000).exit_code == 0
    assert seen == [True]


def test_exit_moment_of_a_killed_process(machine: Machine) -> None:
    maps: list[bytes] = []
    with Kernel(machine) as kernel:
        kernel.spawn(build("mov rax, [0]"))
        kernel.at("exit", lambda stop: maps.append(stop.maps()))
        kernel.run(100)
    assert len(maps) == 1
    assert b"/home/student/program" in maps[0]


def test_signal_from_outside_at_a_moment(machine: Machine) -> None:
    with Kernel(machine) as kernel:
        kernel.spawn(build("again: jmp again"))
        kernel.at("step:5000", lambda stop: stop.send_signal(Signal.SIGTERM))
        outcome = kernel.run(1_000_000)
    assert (outcome.signal, outcome.instructions) == (Signal.SIGTERM, 5000)


def test_observer_may_finish_the_run(machine: Machine) -> None:
    with Kernel(machine) as kernel:
        kernel.spawn(build("again: jmp again"))
        kernel.at("step:77", lambda stop: stop.finish())
        assert kernel.run(1_000_000).ending is Ending.FINISHED


@pytest.mark.parametrize(
    "text", ["", "begin", "step", "step:0", "step:x", "syscall:", "label", "exit:2", "syscall:read:0"]
)
def test_wrong_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        Moment.parse(text)


@pytest.mark.parametrize("text", ["start", "exit", "step:9", "syscall:read", "syscall:read:4", "label:a.b:2"])
def test_moment_prints_as_written(text: str) -> None:
    assert str(Moment.parse(text)) == text


# --- records -----------------------------------------------------------------------------------------------


def test_trace_holds_calls_signals_and_the_end(machine: Machine) -> None:
    body = (
        "mov eax, 1\n mov edi, 1\n lea rsi, [rel text]\n mov edx, 3\n syscall\n mov eax, 3\n mov edi, 9\n syscall\n"
        " mov rax, [0]\ntext: db 'a', 10, 1"
    )
    write, close, segv, end = run(machine, body, trace=True).trace
    assert isinstance(write, SyscallRecord)
    assert (write.name, write.arguments, write.result) == ("write", ("1", '"a\\n\\1"', "3"), 3)
    assert isinstance(close, SyscallRecord)
    assert (close.arguments, close.result, close.note) == (("9",), -9, "Bad file descriptor")
    assert isinstance(segv, SignalRecord)
    assert (segv.signal, segv.code) == (11, 1)
    assert isinstance(end, ExitRecord)
    assert end.signal == 11


def test_files_before_and_after(machine: Machine) -> None:
    body = (
        "section .data\nname: db 'notes.txt', 0\nsection .text\n mov eax, 2\n mov rdi, name\n mov esi, 0x401\n syscall\n"
        " mov edi, eax\n mov eax, 1\n mov rsi, name\n mov edx, 5\n syscall" + EXIT
    )
    with Kernel(machine, files={"notes.txt": b"old "}) as kernel:
        kernel.spawn(build(body), name="writer")
        kernel.run(10_000)
        assert kernel.read_file("notes.txt") == b"old notes"
        assert set(kernel.files_under()) == {"notes.txt", "writer"}


def test_stdin_is_read_to_its_end(machine: Machine) -> None:
    body = (
        "sub rsp, 16\nagain: xor eax, eax\n xor edi, edi\n mov rsi, rsp\n mov edx, 2\n syscall\n test eax, eax\n jz done\n"
        " mov edx, eax\n mov eax, 1\n mov edi, 1\n mov rsi, rsp\n syscall\n jmp again\ndone:" + EXIT
    )
    assert run(machine, body, stdin=b"abcde").stdout == b"abcde"


# --- sameness ----------------------------------------------------------------------------------------------

CHANCE = (
    "sub rsp, 64\n mov eax, 318\n mov rdi, rsp\n mov esi, 16\n xor edx, edx\n syscall\n rdtsc\n mov [rsp + 16], rax\n"
    " mov eax, 39\n syscall\n mov [rsp + 24], rax\n mov eax, 228\n mov edi, 1\n lea rsi, [rsp + 32]\n syscall\n"
    " mov eax, 1\n mov edi, 1\n mov rsi, rsp\n mov edx, 48\n syscall" + EXIT
)


def test_same_seed_same_bytes_other_seed_other_bytes(machine: Machine) -> None:
    first, again, other = (run(machine, CHANCE, seed=seed).stdout for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "image", [b"", b"text", b"\x7fELF", b"\x7fELF" + bytes(100), b"#!", b"#! \n", b"#!/no/such\n"]
)
def test_what_cannot_be_executed_is_refused(image: bytes, machine: Machine) -> None:
    with Kernel(machine) as kernel, pytest.raises(SyscallError):
        kernel.spawn(image)


def test_files_cannot_be_placed_outside(machine: Machine) -> None:
    with pytest.raises(SyscallError):
        Kernel(machine, files={"../../etc/x": b""})
    machine.reset()


MANY_FILES = (
    "sub rsp, 16\n mov qword [rsp], 20000\n mov qword [rsp + 8], 20000\n mov eax, 160\n mov edi, 7\n mov rsi, rsp\n syscall\n"
    "again: mov eax, 32\n xor edi, edi\n syscall\n test eax, eax\n jns again\n neg eax\n mov edi, eax\n mov eax, 60\n syscall"
)


def test_descriptors_end_with_emfile(machine: Machine) -> None:
    assert run(machine, MANY_FILES).exit_code == 24


RACE = (
    "mov eax, 57\n syscall\n mov r13, 'a'\n test eax, eax\n jz go\n mov r13, 'b'\ngo: push r13\n mov ebx, 60\n"
    "again: mov ecx, 4000\nspin: loop spin\n mov eax, 1\n mov edi, 1\n mov rsi, rsp\n mov edx, 1\n syscall\n"
    " dec ebx\n jnz again" + EXIT
)


def test_interleaving_comes_from_the_seed(machine: Machine) -> None:
    outputs = [run(machine, RACE, seed=seed).stdout for seed in (1, 1, 2, 3)]
    assert all(sorted(output) == sorted(b"ab" * 60) for output in outputs)
    assert outputs[0] == outputs[1]
    assert len(set(outputs)) > 1


def test_a_child_whose_exit_signal_does_not_exist_sends_none(machine: Machine) -> None:
    """clone takes any low byte; do_notify_parent sends valid signals only, and wait4 without __WALL overlooks the child."""
    body = "mov eax, 56\n mov edi, 0x55\n xor esi, esi\n syscall\n test eax, eax\n jz .end\n mov eax, 24\n syscall\n.end:"
    outcome = run(machine, body + EXIT)
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)
