"""Stopping a run to look at it changes nothing: not the time, not the scheduler's turns, not what the program prints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from toolkit.asm import assemble
from toolkit.asm.link import LinkInput, link
from toolkit.kernel.kernel import Kernel
from toolkit.kernel.moments import Moment, Stop
from toolkit.kernel.outcome import Ending
from toolkit.machine.cpu import Machine

TIMES = """
section .bss
when: resq 64
section .text
global _start
_start:
    xor ebx, ebx
again:
    mov ecx, 30
spin:
    dec ecx
    jnz spin
    mov eax, 228                ; clock_gettime
    mov edi, 1
    lea rsi, [when + rbx]
    syscall
    rdtsc
    mov [when + rbx], eax
    add ebx, 16
    cmp ebx, 512
    jb again
    mov eax, 1
    mov edi, 1
    mov esi, when
    mov edx, 512
    syscall
    mov eax, 60
    xor edi, edi
    syscall
"""

THREADS = """
%define CLONE_THREAD_FLAGS 0x10f00
section .data
order: times 400 db 0
count: dq 0
done: dq 0
section .bss
stack: resb 4096
section .text
global _start
_start:
    mov eax, 56                 ; clone
    mov edi, CLONE_THREAD_FLAGS
    lea rsi, [stack + 4096]
    xor edx, edx
    xor r10d, r10d
    xor r8d, r8d
    syscall
    mov r12b, 'p'
    test eax, eax
    jnz work
    mov r12b, 'c'
work:
    mov ebx, 200
again:
    mov ecx, 300
spin:
    dec ecx
    jnz spin
    mov eax, 1
    lock xadd [count], rax
    mov [order + rax], r12b
    dec ebx
    jnz again
    lock inc qword [done]
    cmp r12b, 'c'
    je over
wait_for_it:
    cmp qword [done], 2
    jb wait_for_it
    mov eax, 1
    mov edi, 1
    mov esi, order
    mov edx, 400
    syscall
    mov eax, 231
    xor edi, edi
    syscall
over:
    mov eax, 60
    xor edi, edi
    syscall
"""

LIMIT = 1 << 40


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@pytest.fixture(params=[TIMES, THREADS], ids=["times", "threads"])
def kernel(request: pytest.FixtureRequest, machine: Machine) -> Iterator[Kernel]:
    assembly = assemble(request.param, name="program.asm")
    elf = link([LinkInput("program.o", assembly.object or b"")]).elf
    with Kernel(machine, seed=7) as made:
        made.spawn(elf or b"", ["./program"])
        yield made
        assert made.run(budget=LIMIT).ending is Ending.EXITED


@pytest.fixture
def expected(kernel: Kernel, machine: Machine) -> tuple[bytes, int, int]:
    """The same program, never stopped."""
    executable = kernel.processes.main.executable
    assert executable is not None
    pages = executable.pages
    elf = pages.read(0, pages.size)
    with Kernel(Machine(), seed=7) as other:
        other.spawn(elf, ["./program"])
        outcome = other.run(budget=LIMIT)
        return outcome.stdout, outcome.instructions, other.clock.now


@pytest.mark.parametrize("piece", [1, 7, 1_000])
def test_in_pieces(kernel: Kernel, expected: tuple[bytes, int, int], piece: int) -> None:
    first = 30_000 if piece == 1 else 0  # single steps through the middle: all of it would take long
    last = first + 20_000 if piece == 1 else LIMIT
    budget = first
    outcome = kernel.run(budget=first)
    while outcome.ending is Ending.BUDGET and budget < last:
        budget += piece
        outcome = kernel.run(budget=budget)
    outcome = kernel.run(budget=LIMIT)
    assert (outcome.stdout, outcome.instructions, kernel.clock.now) == expected


def test_at_every_arrival_at_a_label(kernel: Kernel, expected: tuple[bytes, int, int]) -> None:
    paused = []

    def stop(stop: Stop) -> None:
        paused.append(stop.instructions)
        stop.kernel.pause()

    kernel.at(Moment("label", "again", 0), stop)
    outcome = kernel.run(budget=LIMIT)
    while outcome.ending is Ending.PAUSED:
        outcome = kernel.run(budget=LIMIT)
    assert len(paused) > 30
    assert (outcome.stdout, outcome.instructions, kernel.clock.now) == expected
