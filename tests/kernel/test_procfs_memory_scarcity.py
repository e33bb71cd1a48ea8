"""Programs on a small machine: swap, and the out-of-memory killer as a program meets it."""

from __future__ import annotations

import struct
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


STRICT = """
global _start
section .text
%macro put 3                    ; open, write, keep the result on the stack
        mov eax, 2
        lea rdi, [rel %1]
        mov esi, 0x201          ; O_WRONLY | O_TRUNC, as the shell's > does
        xor edx, edx
        syscall
        mov edi, eax
        mov eax, 1
        lea rsi, [rel %2]
        mov edx, %3
        syscall
        push rax
%endmacro
_start: put mode, two, 2
        put adjustment, low, 5
        put adjustment, wild, 5
        mov eax, 9
        xor edi, edi
        mov esi, 32 << 20
        mov edx, 3
        mov r10d, 0x4022
        mov r8, -1
        xor r9d, r9d
        syscall
        push rax
        mov eax, 1
        mov edi, 1
        mov rsi, rsp
        mov edx, 32
        syscall
        mov eax, 60
        xor edi, edi
        syscall
section .rodata
mode:   db "/proc/sys/vm/overcommit_memory", 0
adjustment: db "/proc/self/oom_score_adj", 0
two:    db "2", 10
low:    db "-500", 10
wild:   db "-1001"
"""


@pytest.mark.differential
@pytest.mark.parametrize(("uid", "results"), [(0, (2, 5, -22, -12)), (1000, (-9, -13, -22, None))])
def test_overcommit_and_scores_are_set_through_proc(
    tmp_path: Path, uid: int, results: tuple[int | None, ...]
) -> None:
    (tmp_path / "s.asm").write_text(STRICT)
    subprocess.run(["sh", "-c", "nasm -f elf64 s.asm && ld -o s s.o"], cwd=tmp_path, check=True)
    with Kernel(Machine(), memory=16 << 20, uid=uid, gid=uid) as kernel:
        process = kernel.spawn((tmp_path / "s").read_bytes())
        scores: list[int] = []
        kernel.at("exit", lambda stop: scores.append(process.memory.oom_score_adj))
        outcome = kernel.run()
    found = struct.unpack("<4q", outcome.stdout)[::-1]
    assert [got for got, wanted in zip(found, results, strict=True) if wanted is not None] == [
        wanted for wanted in results if wanted is not None
    ]
    assert scores == ([-500] if uid == 0 else [0])
