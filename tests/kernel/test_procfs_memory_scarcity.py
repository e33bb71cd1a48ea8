"""Programs on a small machine: swap, and the out-of-memory killer as a program meets it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toolkit.kernel.kernel import Kernel
from toolkit.kernel.mm.frames import ANONYMOUS
from toolkit.machine.cpu import Machine

TOUCH = """
global _start
section .text
_start: mov eax, 9
        xor edi, edi
        mov esi, PAGES * 4096
        mov edx, 3
        mov r10d, 0x4022
        mov r8, -1
        xor r9d, r9d
        syscall
        mov rbx, rax
        mov ecx, PAGES
.next:  mov [rbx], ecx
        add rbx, 4096
        loop .next
        mov eax, 60
        xor edi, edi
        syscall
"""


def build(folder: Path, pages: int) -> bytes:
    (folder / "p.asm").write_text(TOUCH.replace("PAGES", str(pages)))
    subprocess.run(["sh", "-c", "nasm -f elf64 p.asm && ld -o p p.o"], cwd=folder, check=True)
    return (folder / "p").read_bytes()


@pytest.mark.differential
def test_a_program_larger_than_memory_uses_swap(tmp_path: Path) -> None:
    with Kernel(Machine(), memory=1 << 20, swap=4 << 20) as kernel:
        process = kernel.spawn(build(tmp_path, 600))
        used: list[int] = []
        kernel.at("exit", lambda stop: used.append(process.memory.swap_entries))
        outcome = kernel.run()
    assert outcome.exit_code == 0
    assert used[0] > 300


@pytest.mark.differential
def test_a_program_too_large_is_killed_and_the_log_says_so(tmp_path: Path) -> None:
    with Kernel(Machine(), memory=1 << 20, swap=1 << 20) as kernel:
        kernel.spawn(build(tmp_path, 600), name="hungry")
        outcome = kernel.run()
        log = kernel.out_of_memory.log
        frames = kernel.frames
        left = frames.count(ANONYMOUS)
    assert outcome.signal == 9
    assert log[0].startswith("hungry invoked oom-killer: gfp_mask=")
    assert log[-1].startswith("Out of memory: Killed process ")
    assert "(hungry) total-vm:" in log[-1]
    assert left == 0
