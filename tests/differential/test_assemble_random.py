"""Random programs, assembled by us and by nasm: labels that move, and a grammar of everything.

Seeded, so that a failure can be repeated: the seed is in the test's name and the program in the message.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tests.asm.moving_programs import dense_jumps, falling_waves, interleaved_program, wave
from toolkit.asm import assemble

BATCH = 250
CONDITIONS = ("jmp", "jz", "jnz", "jl", "ja", "call", "loop", "jrcxz")


def moving_program(random: random.Random) -> str:
    """Jumps over distances near the limits of a byte, with padding that depends on what the jumps become."""
    count = random.randrange(3, 25)
    lines = []
    for number in range(count):
        lines.append(f"l{number}:")
        target = f"l{random.randrange(count)}"
        choice = random.random()
        if choice < 0.5:
            mnemonic = random.choice(CONDITIONS[:6] if random.random() < 0.97 else CONDITIONS)
            lines.append(f" {mnemonic} {target}")
        elif choice < 0.65:
            lines.append(f" times {random.choice((1, 5, 60, 100, 120, 124, 126, 127, 128, 130))} nop")
        elif choice < 0.72:
            lines.append(f" align {random.choice((2, 4, 8, 16, 64))}")
        elif choice < 0.78:
            lines.append(f"e{number} equ $-l0")
            lines.append(f" mov eax, e{number}")
        elif choice < 0.84:
            lines.append(f" add eax, {target}-l{random.randrange(count)}")
        elif choice < 0.9:
            lines.append(f" times ($-l{random.randrange(number + 1)}) & 7 db {number}")
        elif choice < 0.95:
            lines.append(f" mov rax, [rbx+{target}-l{random.randrange(count)}]")
        else:
            lines.append(f" dd {target}-$, {target}-l{random.randrange(count)}")
    return "\n".join(lines) + "\n"


REGISTERS = {
    1: ("al", "bl", "cl", "ah", "dh", "sil", "r9b", "spl"),
    2: ("ax", "cx", "si", "r10w"),
    4: ("eax", "ebx", "esp", "r11d", "edi"),
    8: ("rax", "rbx", "rsp", "rbp", "r12", "r13", "rdi"),
}
SIZES = {1: "byte", 2: "word", 4: "dword", 8: "qword"}


class Grammar:
    """A program of data, instructions, directives and macros; most are right, some are not."""

    def __init__(self, random: random.Random) -> None:
        self.random = random
        self.labels = [f"n{number}" for number in range(random.randrange(2, 7))]

    def choose(self, *choices: str) -> str:
        return self.random.choice(choices)

    def number(self) -> str:
        value = self.random.choice(
            (0, 1, 5, 127, 128, -1, -128, -129, 255, 256, 65535, 0x7FFFFFFF, 0x80000000)
        )
        return self.choose(str(value), f"({value}+1)", f"{value & 0xFFFF:#x}", "'a'", "0b101", "17q", "1_0")

    def expression(self, depth: int = 0) -> str:
        if depth > 2 or self.random.random() < 0.5:
            return self.choose(self.number(), self.number(), self.label(), "$", "$$", "$-$$")
        operator = self.choose("+", "-", "+", "-", "*", "<<", "&", "|", "^", "/", "%%", "//", "==", "<", "&&")
        left, right = self.expression(depth + 1), self.expression(depth + 1)
        return self.choose(f"{left}{operator}{right}", f"({left} {operator} {right})", f"-{left}", f"~{left}")

    def label(self) -> str:
        return self.random.choice([*self.labels, "outside", "constant"])

    def register(self, size: int) -> str:
        return self.random.choice(REGISTERS[size])

    def memory(self) -> str:
        base, index = self.register(8), self.register(8)
        scale = self.choose("1", "2", "4", "8", "3", "5")
        inside = self.choose(
            base, f"{base}+{self.number()}", f"{base}+{index}*{scale}", f"{base}+{index}*{scale}+{self.number()}",
            f"{self.label()}", f"rel {self.label()}", f"{base}+{self.label()}", f"{index}*{scale}", f"fs:{base}",
        )  # fmt: skip
        return f"[{inside}]"

    def operand(self, size: int) -> str:
        choice = self.random.random()
        if choice < 0.5:
            return self.register(size)
        if choice < 0.8:
            return (SIZES[size] + " " if self.random.random() < 0.7 else "") + self.memory()
        return self.expression() if choice > 0.9 else self.number()

    def instruction(self) -> str:
        size = self.random.choice((1, 2, 4, 8, 8))
        two = self.choose(
            "mov", "add", "sub", "cmp", "test", "xor", "and", "or", "lea", "imul", "xchg", "adc"
        )
        one = self.choose("inc", "dec", "neg", "not", "push", "pop", "mul", "idiv", "jmp", "call", "setz")
        return self.choose(
            f"{two} {self.operand(size)}, {self.operand(size)}", f"{two} {self.register(size)}, {self.operand(size)}",
            f"{one} {self.operand(size)}", f"{self.choose('jz', 'jmp', 'call', 'ja')} {self.label()}",
            f"shl {self.operand(size)}, {self.choose('1', 'cl', '5')}", self.choose("nop", "ret", "syscall", "cdq"),
            f"movzx {self.register(4)}, {self.operand(1)}", f"imul {self.register(8)}, {self.operand(8)}, {self.number()}",
            f"movaps xmm{self.random.randrange(16)}, {self.choose('xmm3', self.memory())}",
        )  # fmt: skip

    def data(self) -> str:
        items = ", ".join(
            self.choose(
                self.expression(), self.number(), "'text'", '"a"', "`\\n\\x41`", "1.5", "?", "2 dup (3)"
            )
            for _ in range(self.random.randrange(1, 4))
        )
        return f"{self.choose('db', 'dw', 'dd', 'dq')} {items}"

    def line(self) -> str:
        return self.choose(
            self.instruction(), self.instruction(), self.instruction(), self.data(),
            f"times {self.choose('3', '0', '17')} {self.choose(self.data(), self.instruction())}",
            self.choose("align 8", "section .data", "section .text", "section .bss", "default rel", "bits 64"),
            f"twice {self.register(8)}", f".l: {self.instruction()}", f"resb {self.choose('1', '8', '100')}",
            f"%if {self.choose('1', '0', 'constant > 3')}\n {self.instruction()}\n%endif",
        )  # fmt: skip

    def program(self) -> str:
        lines = [
            "extern outside",
            "global n0",
            "constant equ 12",
            "%macro twice 1",
            " inc %1",
            " push %1",
            "%endmacro",
        ]
        for label in self.labels:
            lines.append(f"{label}:")
            lines += [f" {self.line()}" for _ in range(self.random.randrange(1, 5))]
        return "\n".join(lines) + "\n"


def everything(random: random.Random) -> str:
    return Grammar(random).program()


def nasm(source: str, folder: Path, format: str) -> bytes | None:
    (folder / "t.asm").write_text(source)
    (folder / "t.o").unlink(missing_ok=True)
    command = ["nasm", "-w-all", "-f", format, "t.asm", "-o", "t.o"]
    run = subprocess.run(command, cwd=folder, capture_output=True, timeout=30)
    return (folder / "t.o").read_bytes() if run.returncode == 0 else None


def compare(source: str, folder: Path, format: str) -> str:
    """What differs, or ""."""
    expected = nasm(source, folder, format)
    result = assemble(source, name="t.asm", format=format)
    if expected == result.object:
        return ""
    ours = [d.render_nasm() for d in result.diagnostics if d.is_error][:3]
    return f"{format}: nasm {'accepts' if expected is not None else 'refuses'}; ours {ours}:\n{source}"


def differences(make: object, seed: int, folder: Path, count: int) -> list[str]:
    found = []
    for number in range(count):
        chance = random.Random(f"{seed}-{number}")
        source = make(chance)  # type: ignore[operator]
        text = compare(source, folder, chance.choice(FORMATS[make]))  # type: ignore[index]
        if text:
            found.append(f"seed {seed}-{number}, {text}")
    return found


FORMATS = {
    moving_program: ("elf64", "elf64", "bin"),
    interleaved_program: ("elf64", "elf64", "elf32", "bin"),
    dense_jumps: ("elf64", "elf32", "bin"),
    everything: ("elf64",),
}


@pytest.mark.differential
@pytest.mark.parametrize("steps", [20, 300, pytest.param(1100, marks=pytest.mark.slow)])
def test_a_wave_of_growing_jumps(steps: int, tmp_path: Path) -> None:
    """nasm needs a pass for each step, and gives up after a thousand that bring the labels no nearer to rest."""
    source = wave(steps)
    text = compare(source, tmp_path, "elf64")
    assert not text, text[:300]
    if steps > 1000:
        command = ["nasm", "-f", "elf64", "t.asm"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        said = [diagnostic.render_nasm() for diagnostic in assemble(source, name="t.asm").diagnostics]
        assert said == [done.stderr.strip()]


@pytest.mark.differential
@pytest.mark.slow
@pytest.mark.long
def test_waves_of_more_passes_than_nasm_goes_on_in_vain(tmp_path: Path) -> None:
    assert not compare(falling_waves(1020, 600), tmp_path, "elf64")


@pytest.mark.differential
@pytest.mark.parametrize("make", [moving_program, interleaved_program, dense_jumps, everything])
def test_some_random_programs(make: object, tmp_path: Path) -> None:
    found = differences(make, 0, tmp_path, 40)
    assert not found, "\n".join(found[:3])


@pytest.mark.differential
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 1 + 5000 // BATCH))
def test_programs_whose_labels_move(seed: int, tmp_path: Path) -> None:
    found = differences(moving_program, seed, tmp_path, BATCH)
    assert not found, "\n".join(found[:3])


@pytest.mark.differential
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 1 + 1500 // BATCH))
def test_programs_whose_statements_change_in_size(seed: int, tmp_path: Path) -> None:
    found = differences(interleaved_program, seed, tmp_path, BATCH)
    assert not found, "\n".join(found[:3])


@pytest.mark.differential
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 1 + 1000 // BATCH))
def test_programs_of_everything(seed: int, tmp_path: Path) -> None:
    found = differences(everything, seed, tmp_path, BATCH)
    assert not found, "\n".join(found[:3])
