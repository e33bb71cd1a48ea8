"""Random programs of jumps, labels, differences, ``times``, ``align`` and ``equ``, whole object files against nasm's.

What passes have to find out together: which jumps are short, which displacements and immediates fit a byte.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from toolkit.asm import assemble

pytestmark = pytest.mark.differential

FORMATS = {64: "elf64", 32: "elf32", 16: "bin"}
REGISTERS = {64: ("rax", "rcx", "r9", "rsp"), 32: ("eax", "ecx", "esp"), 16: ("ax", "cx")}
BASES = {64: ("rbx", "r12", "rbp"), 32: ("ebx", "ebp"), 16: ("bx", "bp")}

FULL = os.environ.get("TOOLKIT_SWEEP") == "full"


class Program:
    """One random program; ``text`` is its source."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bits = self.chance.choice((64, 64, 32, 16))
        count = self.chance.randint(4, 40)
        self.labels = [f"l{number}" for number in range(count)]
        self.external = self.bits != 16 and self.chance.random() < 0.5
        head = [f"bits {self.bits}", "default rel" if self.chance.random() < 0.3 else "", "section .text"]
        head += ["extern ext1, ext2", "global l0"] if self.external else []
        lines = [line for label in self.labels for line in (f"{label}:", *self.body(label))]
        self.text = "\n".join([*head, *lines, "section .data", "d: dq 0, l1-l0"]) + "\n"

    def body(self, label: str) -> list[str]:
        lines = [self.line(label) for _ in range(self.chance.randint(0, 4))]
        if self.chance.random() < 0.1:
            lines.append(f".here: equ $-{label}")
        if self.chance.random() < 0.05:
            lines.append(f"%if ($-$$) > {self.chance.randint(0, 200)}\nnop\n%endif")
        return lines

    def line(self, label: str) -> str:
        chance = self.chance
        to, other = chance.choice(self.labels), chance.choice(self.labels)
        register, base = chance.choice(REGISTERS[self.bits]), chance.choice(BASES[self.bits])
        lines = [
            f"jmp {to}",
            f"jne {to}",
            f"je {to}+{chance.randint(-20, 20)}",
            f"call {to}",
            f"jmp near {to}",
            f"jmp strict {to}",
            f"mov {register}, {to}",
            f"mov {register}, [{to}]",
            f"mov {register}, [{base}+{to}]",
            f"add {register}, {to}-{other}",
            f"lea {register}, [{base}+{to}-{other}]",
            f"push {to}-{other}",
            f"mov byte [{base}+{to}-{other}], {other}-{to}",
            f"imul {register}, {register}, {to}-{other}",
            f"mov {register}, {to}-{other}",
            f"shl {register}, {to}-{other}",
            f"cmp {register}, {chance.randint(-200, 200)}",
            f"mov {register}, {chance.randint(-1 << 33, 1 << 33)}",
            f"times {chance.randint(0, 40)} nop",
            f"times ($-{label})/2 nop",
            f"align {chance.choice((2, 4, 8, 16))}",
            f"dd {to}-{other}",
        ]
        if self.external:
            lines += ["call ext1", f"mov {register}, ext1+4", "jmp ext2", f"mov {register}, [{base}+ext1]"]
        if self.bits == 64:
            lines += [
                f"mov {register}, [rel {to}]",
                f"lea {register}, [abs {to}]",
                f"mov dword [rel {to}], 7",
            ]
        return chance.choice(lines)


def nasm(program: Program, folder: Path) -> bytes | None:
    source, target = folder / "program.asm", folder / "program.o"
    source.write_text(program.text)
    command = ["nasm", "-w-all", "-f", FORMATS[program.bits], "-o", str(target), source.name]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
    return target.read_bytes() if done.returncode == 0 else None


def compare(seeds: range, folder: Path) -> None:
    wrong = []
    for seed in seeds:
        program = Program(seed)
        ours = assemble(program.text, name="program.asm", format=FORMATS[program.bits])
        if ours.object != nasm(program, folder):
            wrong.append(seed)
    print(f"{len(seeds)} programs, {len(wrong)} other than nasm's")
    assert not wrong, f"seeds {wrong}; the first:\n{Program(wrong[0]).text}"


def test_random_programs(tmp_path: Path) -> None:
    compare(range(60), tmp_path)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("start", range(1000, 6000 if FULL else 2000, 1000))
def test_thousands_of_random_programs(start: int, tmp_path: Path) -> None:
    compare(range(start, start + 1000), tmp_path)
