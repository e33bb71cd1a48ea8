"""Programs that ask for too much meet the kernel's own limits, as errnos, and the host's memory stays bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.kernel.test_runs import build
from toolkit.kernel.kernel import Kernel
from toolkit.kernel.limits import Limits
from toolkit.kernel.outcome import Ending, Outcome
from toolkit.machine.cpu import Machine

UNTIL_REFUSED = """
 xor r15d, r15d
again:
{call}
 test rax, rax
 js refused
 inc r15
 cmp r15, {most}
 jb again
 mov edi, 200
 mov eax, 60
 syscall
refused:
 neg eax
 mov [rel answer], r15
 mov [rel answer + 8], rax
 mov eax, 1
 mov edi, 2
 lea rsi, [rel answer]
 mov edx, 16
 syscall
 mov eax, 60
 xor edi, edi
 syscall
section .data
answer: dq 0, 0
null: db "/dev/null", 0
here: db "a", 0
deep: times 100000 db "a/"
 db 0
ends: dd 0, 0
number: dd 0
message: dq 1, 1
section .text
"""


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@dataclass(frozen=True)
class Case:
    """A call to repeat, what comes before it, and after how many successes which errno refuses it."""

    call: str
    count: int
    errno: int
    before: str = ""
    limits: Limits = field(default_factory=Limits)


PIPE = " mov eax, 293\n lea rdi, [rel ends]\n mov esi, 0x800\n syscall\n"
WRITE_PIPE = " mov eax, 1\n mov edi, [rel ends + 4]\n lea rsi, [rel deep]\n mov edx, 4096\n syscall"
QUEUE = " mov eax, 68\n xor edi, edi\n mov esi, 0x180\n syscall\n mov [rel number], eax\n"
SEND = " mov eax, 69\n mov edi, [rel number]\n lea rsi, [rel message]\n mov edx, {size}\n mov r10d, 0x800\n syscall"
SMALL = Limits(processes=40, open_files=50, open_files_hard=50, storage=1 << 20, inodes=100)

CASES: dict[str, Case] = {
    "open files": Case(" mov eax, 2\n lea rdi, [rel null]\n xor esi, esi\n syscall", 1021, 24),
    "descriptors": Case(" mov eax, 32\n mov edi, 1\n syscall", 47, 24, limits=SMALL),
    "a pipe that nobody reads": Case(WRITE_PIPE, 16, 11, PIPE),
    "a path of 100,000 components": Case(" mov eax, 2\n lea rdi, [rel deep]\n xor esi, esi\n syscall", 0, 36),
    "processes": Case(" mov eax, 57\n syscall\n test eax, eax\n jz sleep", 39, 11, limits=SMALL),
    "segments": Case(" mov eax, 29\n xor edi, edi\n mov esi, 1\n mov edx, 0x180\n syscall", 4096, 28),
    "a segment of 2^60 bytes": Case(
        " mov eax, 29\n xor edi, edi\n mov rsi, 1 << 60\n mov edx, 0x180\n syscall", 0, 12
    ),
    "messages": Case(SEND.format(size=8), 2048, 11, QUEUE),
    "empty messages": Case(SEND.format(size=0), 16384, 11, QUEUE),
    "sets of 32,000 semaphores": Case(
        " mov eax, 64\n xor edi, edi\n mov esi, 32000\n mov edx, 0x180\n syscall", 8, 12
    ),
    "directories in directories": Case(
        " mov eax, 83\n lea rdi, [rel here]\n mov esi, 0x1c0\n syscall\n test eax, eax\n js refused\n"
        " mov eax, 80\n lea rdi, [rel here]\n syscall",
        0, 28, limits=SMALL,
    ),
}  # fmt: skip


def run(machine: Machine, case: Case) -> Outcome:
    body = case.before + UNTIL_REFUSED.format(call=case.call, most=200_000)
    body += "sleep: mov eax, 34\n syscall\n"
    memory = 16 << 20 if "mov eax, 64" in case.call else None
    with Kernel(machine, limits=case.limits, memory=memory) as kernel:
        kernel.spawn(build(body), ["./program"], {})
        return kernel.run(50_000_000)


@pytest.mark.parametrize("name", CASES)
def test_refused_with_linux_s_errno(name: str, machine: Machine) -> None:
    case = CASES[name]
    outcome = run(machine, case)
    count, errno = (int.from_bytes(outcome.stderr[at : at + 8], "little") for at in (0, 8))
    assert errno == case.errno
    if name != "directories in directories":
        assert count == case.count
    else:
        assert 0 < count <= 100
    assert outcome.ending in (Ending.EXITED, Ending.DEADLOCK)


def test_a_write_to_a_full_pipe_waits_for_ever(machine: Machine) -> None:
    case = Case(WRITE_PIPE, 0, 0, PIPE.replace("0x800", "0"))
    outcome = run(machine, case)
    assert outcome.ending is Ending.DEADLOCK
    assert "write" in outcome.waiting[0]


ENDLESS: dict[str, tuple[str, int]] = {
    "calls": ("mov eax, 39\n syscall\n jmp again\n", 900),
    "a call that copies sixteen pages": (
        "mov eax, 1\n mov edi, -1\n lea rsi, [rel deep]\n mov edx, 65536\n syscall\n jmp again\n", 900),
    "writing sixteen pages": (
        "mov eax, 1\n mov edi, 1\n lea rsi, [rel deep]\n mov edx, 65536\n syscall\n jmp again\n", 150),
    "execve": (
        "mov eax, 59\n lea rdi, [rel self]\n xor esi, esi\n xor edx, edx\n syscall\n hlt\nself: db '/proc/self/exe', 0\n", 30),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDLESS)
def test_dear_calls_count_more(name: str, machine: Machine) -> None:
    """1,000 entries into the kernel are the limit; about so many calls come through."""
    body, about = ENDLESS[name]
    program = build("again: " + body + "section .data\ndeep: times 65536 db 1\n")
    with Kernel(machine, limits=Limits(events=1000), trace=True) as kernel:
        kernel.spawn(program, ["./program"], {})
        outcome = kernel.run(50_000_000)
    assert outcome.ending is Ending.EVENTS
    assert about <= len(outcome.trace) <= about * 1.5


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the host does not say what it holds")
def test_a_large_program_s_memory_goes_back_to_the_host(machine: Machine) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) << 12

    touch = "mov rcx, 20000\n lea rax, [rel space]\n.next: mov [rax], al\n add rax, 4096\n loop .next\n hlt\n"
    program = build(touch + "section .bss\nspace: resb 4096 * 20001\n")
    before = resident()
    with Kernel(machine, memory=128 << 20) as kernel:
        kernel.spawn(program, ["./program"], {})
        kernel.run(50_000_000)
        assert resident() - before > 60 << 20
    assert resident() - before < 20 << 20


def test_all_of_a_machine_s_memory_can_be_touched(machine: Machine) -> None:
    """128 MiB are 32,768 faults, and 10,000 events are more than they cost; so many reads of nothing are not free."""
    touch = "again: mov {access}\n add rax, 4096\n loop again\n mov eax, 60\n xor edi, edi\n syscall\n"
    begin = " mov rcx, {count}\n lea rax, [rel space]\n"
    for access, count, ending in (
        ("[rax], al", 32_000, Ending.EXITED),
        ("bl, [rax]", 32_000, Ending.EXITED),
        ("bl, [rax]", 60_000, Ending.EVENTS),
    ):
        body = begin.format(count=count) + touch.format(access=access)
        program = build(body + "section .bss\nspace: resb 4096 * 60001\n")
        with Kernel(machine, memory=512 << 20, limits=Limits(events=10_000)) as kernel:
            kernel.spawn(program, ["./program"], {})
            assert kernel.run(50_000_000).ending is ending, (access, count)
