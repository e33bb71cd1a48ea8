"""Label moments: every arrival counts, also where the kernel put the thread there, and nothing is told twice."""

from __future__ import annotations

import pytest

from toolkit.grading import building
from toolkit.grading.engine import Engine
from toolkit.grading.evidence import BuildRequest, Evidence, FileData, RunRequest
from toolkit.kernel.kernel import Kernel
from toolkit.kernel.moments import Moment
from toolkit.machine.cpu import Machine

START = "global _start\nsection .text\n"
END = "\n mov eax, 60\n xor edi, edi\n syscall\n"

BUDGET = 5_000
"""Instructions: an endless loop arrives once with each, and each arrival is one of the run's events, which are bounded too."""

PROGRAMS: dict[str, tuple[str, dict[str, int]]] = {
    "the first instruction": ("_start: nop\nagain: nop" + END, {"_start": 1, "again": 1}),
    "a jump to itself": ("_start: mov ecx, 3\nagain: loop again" + END, {"again": 3}),
    "behind a system call": ("_start: mov eax, 39\n syscall\nafter: nop" + END, {"after": 1}),
    "calls of the first byte of a page": (
        "f: ret\n_start: call f\n call f\n xor eax, eax\n jmp rax\n",
        {"f": 2},
    ),
    "calls of the first byte of a page behind a system call": (
        "f: ret\n_start: mov eax, 39\n syscall\n call f\n nop\n call f" + END,
        {"f": 2},
    ),
    "a jump to nowhere with a label set": ("_start: xor eax, eax\n jmp rax\n", {"_start": 1}),
    "a page fault in the labelled instruction": (
        "_start: mov rax, buffer\nstore: mov byte [rax], 1" + END + "section .bss\nbuffer: resb 4096\n",
        {"store": 1},
    ),
    "an endless loop": ("_start: jmp _start\n", {"_start": BUDGET}),
}


def run(source: str, moments: tuple[str, ...]) -> Evidence:
    build = BuildRequest("p", (FileData("p.asm", (START + source).encode()),))
    evidence = Engine().run(RunRequest(build, moments=moments, budget=BUDGET))
    assert isinstance(evidence, Evidence)
    return evidence


@pytest.mark.parametrize("case", PROGRAMS)
def test_arrivals_are_counted(case: str) -> None:
    source, counts = PROGRAMS[case]
    for label, count in counts.items():
        reached = run(source, tuple(f"label:{label}:{number}" for number in (1, count, count + 1)))
        assert set(reached.moments) == {f"label:{label}:{number}" for number in {1, count}}


@pytest.mark.parametrize("case", [case for case in PROGRAMS if case != "an endless loop"])
def test_labels_change_no_count(case: str) -> None:
    source, counts = PROGRAMS[case]
    watched = run(source, tuple(f"label:{label}" for label in counts))
    assert watched.instructions == run(source, ()).instructions


HANDLER = """
_start:
    mov eax, 13             ; rt_sigaction(SIGSEGV, action, 0, 8)
    mov edi, 11
    mov rsi, action
    xor edx, edx
    mov r10d, 8
    syscall
    mov rbx, 0x10
store:
    mov byte [rbx], 1
    mov eax, 60
    xor edi, edi
    syscall
handler:
    mov qword [rdx + 0x80], buffer      ; the saved rbx
    ret
restorer:
    mov eax, 15
    syscall
section .data
action: dq handler, 0x04000004, restorer, 0
buffer: dq 0
"""


def test_a_handler_is_an_arrival_and_so_is_the_way_back() -> None:
    evidence = run(
        HANDLER, ("label:handler", "label:handler:2", "label:store:2", "label:store:3", "label:restorer")
    )
    assert evidence.exit_code == 0
    assert set(evidence.moments) == {"label:handler", "label:store:2", "label:restorer"}


def test_an_observer_forgets_its_label_in_front_of_another_one() -> None:
    from toolkit.asm import build
    from toolkit.kernel.kernel import Kernel
    from toolkit.machine.cpu import Machine

    built = build([START + "_start: mov ecx, 3\nfirst: dec ecx\nsecond: jnz first" + END])
    assert built.elf is not None
    seen: list[str] = []
    with Kernel(Machine()) as kernel:

        def forget(stop: object) -> None:
            seen.append("first")
            kernel.forget_labels(forget)

        kernel.at("label:first", forget)
        for number in (1, 2, 3):
            kernel.at(f"label:second:{number}", lambda stop: seen.append("second"))
        kernel.spawn(built.elf, ["p"])
        outcome = kernel.run(budget=1000)
    assert (outcome.exit_code, seen) == (0, ["first", "second", "second", "second"])


RECURSION = b"""
global _start
section .text
down:  push rbx
       dec rdi
first: call leaf
       test rdi, rdi
       jz end
again: call down                ; back into blocks that were translated while this breakpoint was lifted
end:   pop rbx
leaf:  ret
_start: mov r12, 3
outer: mov rdi, 4
enter: call down
       dec r12
       jnz outer
       mov ecx, 5
turn:  loop turn
       mov eax, 60
       xor edi, edi
       syscall
"""


def test_every_arrival_is_told_in_code_that_comes_back_to_itself() -> None:
    """With the labels observed a program executes the same instructions, and changes none of its code."""
    elf = building.build(BuildRequest("r", (FileData("r.asm", RECURSION),))).elf
    assert elf is not None
    names = ("first", "again", "enter", "turn", "leaf", "end")
    machine = Machine()
    seen: dict[str, int] = {}
    with Kernel(machine) as kernel:
        kernel.spawn(elf)
        plain = kernel.run(budget=10_000).instructions
    with Kernel(machine) as kernel:
        kernel.spawn(elf)
        for name in names:
            kernel.at(
                Moment("label", name, 0), lambda stop, name=name: seen.update({name: seen.get(name, 0) + 1})
            )
        assert kernel.run(budget=10_000).instructions == plain
        assert machine.rewrites == 0
    assert seen == {"first": 12, "again": 9, "enter": 3, "turn": 5, "leaf": 24, "end": 12}


def test_arrivals_after_the_last_moment_are_not_counted() -> None:
    """They would stop the machine each time: a loop with a moment at its beginning runs as one without."""
    built = building.build(
        BuildRequest(
            "p", (FileData("p.asm", (START + "_start: mov ecx, 900\nhere: nop\n loop here" + END).encode()),)
        )
    )
    assert built.elf is not None
    seen: list[int] = []
    with Kernel(Machine()) as kernel:
        for number in (2, 4):
            kernel.at(f"label:here:{number}", lambda stop: seen.append(stop.registers["rcx"]))
        kernel.spawn(built.elf, ["p"])
        outcome = kernel.run(budget=BUDGET)
        assert (outcome.exit_code, seen) == (0, [899, 897])
        assert kernel.moments.seen == {"label:here": 4}
        assert kernel.events < 20
        with pytest.raises(ValueError, match="no longer counted"):
            kernel.at("label:here:9", lambda stop: None)
        kernel.at("syscall:here:9", lambda stop: None)  # another thing of that name
