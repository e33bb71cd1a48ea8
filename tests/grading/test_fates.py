"""What ``toolkit run`` says of programs that are killed: tests/golden/fates/NAME.txt, for the program of the same name here.

``TOOLKIT_UPDATE_GOLDEN=1 pytest tests/grading/test_fates.py`` writes the texts anew; read the difference before it is kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolkit.grading.engine import Engine
from toolkit.grading.evidence import BuildRequest, Evidence, FileData, RunRequest
from toolkit.grading.explain import explain_fate

GOLDEN = Path(__file__).parents[1] / "golden" / "fates"
HEAD = "global _start\nsection .data\nnumbers: dq 1, 2\nname: db 'empty', 0\nsection .text\n"

PROGRAMS = {
    "null_pointer": "_start: xor ebx, ebx\n mov rax, [rbx + 8]\n",
    "index_without_base": "_start: mov ecx, 5\n mov al, [rcx*8]\n",
    "behind_the_data": "_start: mov rsi, numbers\n.next: mov rax, [rsi]\n add rsi, 8\n jmp .next\n",
    "below_the_image": "_start: mov al, [0x3fffff]\n",
    "endless_recursion": "_start: call _start\n",
    "pop_off_the_stack": "_start: pop rax\n jmp _start\n",
    "not_canonical": "_start: mov rbx, 0x8000000000000000\n mov rax, [rbx]\n",
    "write_to_code": "_start: mov byte [_start], 0x90\n",
    "write_to_constants": "section .rodata\ntext: db 'abc'\nsection .text\n_start: mov byte [text + 1], 'x'\n",
    "misaligned_movaps": "_start: movaps xmm0, [numbers + 8]\n",
    "divide_by_zero": "_start: mov eax, 7\n xor edx, edx\n xor ecx, ecx\n div ecx\n",
    "divide_rubbish_in_rdx": "_start: mov rax, 7\n mov rdx, 5\n mov rbx, 2\n div rbx\n",
    "divide_by_memory": "section .bss\nzero: resq 1\nsection .text\n_start: mov rax, 7\n cqo\n idiv qword [zero]\n",
    "jump_to_data": "_start: jmp numbers\n",
    "jump_to_stack": "_start: mov rax, rsp\n call rax\n",
    "jump_to_nothing": "_start: mov rax, 0x123456789\n jmp rax\n",
    "call_null": "_start: xor eax, eax\n call rax\n",
    "ret_in_start": "_start: mov eax, 60\n ret\n",
    "no_exit": "_start: mov eax, 1\n mov edi, 1\n",
    "jump_into_data": "_start: jmp numbers + 8\n",
    "no_exit_nothing_behind": "section .data\nsection .text\n_start: times 4096 nop\n",
    "no_exit_full_page": "_start: times 4096 nop\n",
    "return_address_overwritten": "_start: call f\nf: mov qword [rsp], 0x41414141\n ret\n",
    "privileged": "_start: cli\n",
    "breakpoint": "_start: int3\n",
    "undefined": "_start: ud2\n",
    "wrong_interrupt": "_start: int 0x20\n",
    "beyond_the_file": (
        "_start: mov eax, 2\n mov rdi, name\n xor esi, esi\n syscall\n mov r8, rax\n mov eax, 9\n xor edi, edi\n"
        " mov esi, 4096\n mov edx, 1\n mov r10d, 2\n xor r9d, r9d\n syscall\n mov al, [rax]\n"
    ),
    "mmap_error_as_pointer": "_start: mov rax, -12\n mov byte [rax], 1\n",
    "length_as_pointer": "_start: mov rsi, [numbers]\n mov al, [rsi]\n",
    "handler_without_restorer": (
        "_start: mov rax, handler\n mov [numbers], rax\n mov eax, 13\n mov edi, 10\n mov rsi, numbers\n xor edx, edx\n"
        " mov r10d, 8\n syscall\n mov eax, 39\n syscall\n mov edi, eax\n mov esi, 10\n mov eax, 62\n syscall\n"
        "again: jmp again\nhandler: ret\nsection .data\n dq 0, 0\nsection .text\n"
    ),
    "handler_without_stack": (
        "_start: mov rax, handler\n mov [action], rax\n mov [action + 16], rax\n mov eax, 13\n mov edi, 11\n mov rsi, action\n"
        " xor edx, edx\n mov r10d, 8\n syscall\nmore: call more\nhandler: ret\n"
        "section .data\naction: dq 0, 0x04000000, 0, 0\nsection .text\n"
    ),
    "handler_on_a_bad_stack": (
        "_start: mov rax, handler\n mov [action], rax\n mov [action + 16], rax\n mov eax, 131\n mov rdi, other\n xor esi, esi\n"
        " syscall\n mov eax, 13\n mov edi, 10\n mov rsi, action\n xor edx, edx\n mov r10d, 8\n syscall\n"
        " mov eax, 39\n syscall\n mov edi, eax\n mov esi, 10\n mov eax, 62\n syscall\nhandler: ret\n"
        "section .data\naction: dq 0, 0x0c000000, 0, 0\nother: dq 0x500000, 0, 16384\nsection .text\n"
    ),
    "load_cs": "_start: mov eax, 0x33\n mov cs, eax\n",
    "lock_without_memory": "_start: db 0xf0, 0x83, 0xc0, 0x05\n",
    "never_set": "_start: mov rax, [rbx + rcx]\n",
    "set_long_ago": "_start: mov ebx, 5\n mov ecx, 5000\n.turn: loop .turn\n mov rax, [rbx + rcx*8]\n",
    "set_by_a_call": "_start: call find\n mov rax, [rax]\n jmp _start\nfind: xor eax, eax\n ret\n",
    "set_in_part": "_start: mov rsi, numbers\n mov sil, 0\n sub rsi, 0x1000\n shl rsi, 8\n mov [rsi], al\n",
    "set_by_a_syscall": "_start: mov eax, 39\n syscall\n mov al, [rax]\n",
    "set_by_the_clock": "_start: rdtsc\n mov al, [rdx]\n",
    "set_by_a_string_instruction": "_start: mov rsi, numbers\n mov ecx, 600\n rep lodsq\n",
    "wrong_stack": "_start: mov rsp, 8\n push rax\n",
    "handled_before": (
        "_start: mov rbx, 8\n mov eax, 13\n mov edi, 10\n mov rsi, act\n xor edx, edx\n mov r10d, 8\n syscall\n"
        " mov eax, 39\n syscall\n mov edi, eax\n mov esi, 10\n mov eax, 62\n syscall\n mov al, [rbx]\n"
        "handler: ret\nrestorer: mov eax, 15\n syscall\nsection .data\nact: dq handler, 0x04000000, restorer, 0\n"
    ),
    "control_register": "_start: mov rax, cr3\n",
    "divide_smallest_by_minus_one": "_start: mov rax, 1 << 63\n cqo\n mov rcx, -1\n idiv rcx\n",
    "out_of_memory": (
        "_start: mov eax, 9\n xor edi, edi\n mov esi, 64 << 20\n mov edx, 3\n mov r10d, 0x4022\n mov r8, -1\n xor r9d, r9d\n"
        " syscall\n.next: mov byte [rax], 1\n add rax, 4096\n jmp .next\n"
    ),
    "abort": "_start: mov eax, 39\n syscall\n mov edi, eax\n mov esi, 6\n mov eax, 62\n syscall\n",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.mark.parametrize("name", PROGRAMS)
def test_fate(engine: Engine, name: str) -> None:
    head = "global _start\n" if name == "no_exit_nothing_behind" else HEAD
    source = (head + PROGRAMS[name]).encode()
    request = RunRequest(
        BuildRequest(name, (FileData(f"{name}.asm", source),)),
        files=(FileData("empty", b""),),
        budget=3_000_000,
        memory=16 << 20 if name == "out_of_memory" else None,
    )
    evidence = engine.run(request)
    assert isinstance(evidence, Evidence), evidence
    assert evidence.signal is not None
    text = "\n".join([evidence.signal, *explain_fate(evidence)]) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("TOOLKIT_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_every_text_has_a_program() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(PROGRAMS)
