"""Looking in passing: told of the arrivals that a label counts, with the registers of that moment, and nothing else changes."""

from __future__ import annotations

import pytest

from tests.kernel.test_labels import BUDGET, END, PROGRAMS, START
from toolkit.grading import building
from toolkit.grading.evidence import BuildRequest, FileData
from toolkit.kernel.kernel import Kernel
from toolkit.kernel.outcome import Outcome
from toolkit.machine.cpu import Machine
from toolkit.machine.registers import RIP

RED_ZONE = b"rubbish!" * 16

FORK = """_start: mov eax, 57
        syscall
again:  nop
        mov edi, eax
        mov eax, 60
        syscall
"""
STACK_FAULT = (
    """_start: lea rsp, [rsp - 0x20000 + 8]
        and rsp, -4096
here:   call f                  ; the word it pushes lies in a page that is not there yet
        nop
"""
    + END
    + "f: ret\n"
)
HANDLED = (
    """_start: mov eax, 13
        mov edi, 11
        mov esi, action
        xor edx, edx
        mov r10d, 8
        syscall
        xor ebx, ebx
here:   mov byte [rbx], 1       ; the handler makes rbx good
"""
    + END
    + """
handler: mov qword [rdx + 40 + 11 * 8], room
        ret
back:   mov eax, 15
        syscall
section .data
action: dq handler, 0x04000004, back, 0
section .bss
room: resb 8
"""
)
MORE: dict[str, tuple[str, dict[str, int]]] = {
    "a fork: only the first process counts": (FORK, {"again": 1}),
    "a call that makes the stack grow": (STACK_FAULT, {"here": 1, "f": 1}),
    "a handler that repairs": (HANDLED, {"here": 2, "handler": 1}),
    "a special instruction": ("_start: mov ecx, 2\nhere: rdtsc\n loop here" + END, {"here": 2}),
    "an aligned operand": ("_start: mov ecx, 3\nhere: movaps xmm0, [rsp]\n loop here" + END, {"here": 3}),
    "a system call": ("_start: mov eax, 39\nhere: syscall\n mov eax, 39\n jmp last\nlast: syscall" + END, {"here": 1, "last": 1}),
}  # fmt: skip
CASES = PROGRAMS | MORE


class Run:
    """A program with an observer in passing that stops the program at every n-th arrival (0: never)."""

    def __init__(self, source: str, labels: list[str], stop_each: int = 0) -> None:
        built = building.build(BuildRequest("p", (FileData("p.asm", (START + source).encode()),)))
        assert built.elf is not None
        self.names = {built.symbols[label]: label for label in labels}
        self.seen: list[str] = []
        self._stop_each = stop_each
        with Kernel(Machine()) as self.kernel:
            self.kernel.spawn(built.elf, ["p"])
            self.kernel.passing.look(self.names, self.passes)
            self.outcome: Outcome = self.kernel.run(budget=BUDGET)

    def passes(self, address: int, stands: bool) -> bool:
        """The arrival is counted once, when the observer is content."""
        assert self.kernel.machine.registers.values[RIP] == address
        if self._stop_each and not stands and len(self.seen) % self._stop_each == 0:
            return False
        self.seen.append(self.names[address])
        return True


@pytest.mark.parametrize("stop_each", [0, 1, 3])
@pytest.mark.parametrize("case", CASES)
def test_arrivals_are_told_once(case: str, stop_each: int) -> None:
    source, counts = CASES[case]
    looked_at, alone = Run(source, list(counts), stop_each), Run(source, [])
    assert {label: looked_at.seen.count(label) for label in counts} == counts
    assert looked_at.outcome.instructions == alone.outcome.instructions
    assert looked_at.outcome.registers == alone.outcome.registers
    assert looked_at.outcome.exit_code == alone.outcome.exit_code


def test_an_observer_goes_while_the_program_runs() -> None:
    seen: list[bool] = []
    built = building.build(BuildRequest("p", (FileData("p.asm", (START + "_start: mov ecx, 9\nhere: nop\n loop here" + END).encode()),)))  # fmt: skip
    assert built.elf is not None
    with Kernel(Machine()) as kernel:

        def forget_after_two(address: int, stands: bool) -> bool:
            if len(seen) == 2 and not stands:
                return False
            seen.append(stands)
            if stands:
                kernel.passing.look((), forget_after_two)
            return True

        kernel.spawn(built.elf, ["p"])
        kernel.passing.look([built.symbols["here"]], forget_after_two)
        outcome = kernel.run(budget=BUDGET)
    assert (outcome.exit_code, seen) == (0, [False, False, True])


def test_what_an_observer_raises_is_raised() -> None:
    def fails(address: int, stands: bool) -> bool:
        raise LookupError("an observer's own")

    built = building.build(BuildRequest("p", (FileData("p.asm", (START + "_start: nop" + END).encode()),)))
    assert built.elf is not None
    with Kernel(Machine()) as kernel:
        kernel.spawn(built.elf, ["p"])
        kernel.passing.look([built.symbols["_start"]], fails)
        with pytest.raises(LookupError):
            kernel.run(budget=BUDGET)


def test_a_label_and_an_observer_at_one_place() -> None:
    source = "_start: mov ecx, 3\nhere: nop\n loop here" + END
    built = building.build(BuildRequest("p", (FileData("p.asm", (START + source).encode()),)))
    assert built.elf is not None
    told: list[str] = []

    def passes(address: int, stands: bool) -> bool:
        if not stands:
            return False
        told.append("passing")
        return True

    with Kernel(Machine()) as kernel:
        kernel.spawn(built.elf, ["p"])
        for number in (1, 2, 3):
            kernel.at(f"label:here:{number}", lambda stop: told.append("label"))
        kernel.passing.look([built.symbols["here"]], passes)
        outcome = kernel.run(budget=BUDGET)
    assert (outcome.exit_code, sorted(told)) == (0, ["label"] * 3 + ["passing"] * 3)


def test_memory_is_overwritten_while_the_program_runs() -> None:
    """The program reads the bytes below rsp before and after an instruction in front of which they are overwritten."""
    source = "_start: mov qword [rsp - 8], 5\nhere: mov rdi, [rsp - 8]\n mov eax, 60\n syscall\n"
    built = building.build(BuildRequest("p", (FileData("p.asm", (START + source).encode()),)))
    assert built.elf is not None
    with Kernel(Machine()) as kernel:
        kernel.spawn(built.elf, ["p"])
        memory, registers = kernel.processes.main.memory, kernel.machine.registers
        kernel.passing.look(
            [built.symbols["here"]],
            lambda address, stands: memory.overwrite(registers["rsp"] - 128, RED_ZONE),
        )
        outcome = kernel.run(budget=BUDGET)
    assert (outcome.exit_code, outcome.registers["rdi"]) == (RED_ZONE[-8], int.from_bytes(b"rubbish!", "little"))  # fmt: skip
