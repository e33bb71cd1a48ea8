"""A debugger's look: what the program would read, and nothing of it changes the program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from toolkit.asm import assemble
from toolkit.asm.link import LinkInput, link
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.kernel import Kernel
from toolkit.kernel.mm.snapshot import take_snapshot
from toolkit.machine.cpu import Machine

SOURCE = """
section .data
data: times 5000 db 7
section .bss
bss: resb 8192
section .text
global _start
_start:
    mov eax, 2                  ; open("f", O_RDONLY)
    mov edi, name
    xor esi, esi
    syscall
    mov r8, rax
    mov eax, 9                  ; mmap(0x10000000, 12288, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0)
    mov edi, 0x10000000
    mov esi, 12288
    mov edx, 1
    mov r10d, 0x12
    xor r9d, r9d
    syscall
    mov eax, 9                  ; mmap(0x20000000, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
    mov edi, 0x20000000
    mov esi, 4096
    xor edx, edx
    mov r10d, 0x32
    mov r8, -1
    syscall
    inc byte [bss]
    push rax
    jmp $
name: db "f", 0
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    assembly = assemble(SOURCE, name="p.asm")
    elf = link([LinkInput("p.o", assembly.object or b"")])
    with Kernel(Machine(), files={"f": b"x" * 5000}) as made:
        made.spawn(elf.elf or b"", ["./p"])
        made.run(budget=1000)
        yield made


PLACES = {
    "code": (0x401000, 16),
    "touched data across a page": (0x402FF8, 16),
    "untouched data": (0x403100, 16),
    "bss": (0x404FF0, 32),
    "the stack": (0x7FFFFFFFEE00, 64),
    "a file": (0x10000FF0, 32),
    "the zeros behind a file": (0x10001F00, 256),
    "pages behind a file": (0x10001FF0, 32),
    "no rights": (0x20000000, 1),
    "below the stack": (0x7FFFFFF00000, 8),
    "nothing": (0x0, 1),
    "the vdso": (0x7FFFF7FFD000, 64),
    "beyond all": (0xFFFF800000000000, 8),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_look_sees_what_a_read_gives_and_changes_nothing(kernel: Kernel, name: str) -> None:
    space, (address, count) = kernel.processes.main.memory, PLACES[name]
    before = take_snapshot(space), space.faults.minor, space.faults.major
    seen = space.peek(address, count)
    assert (take_snapshot(space), space.faults.minor, space.faults.major) == before
    if name == "below the stack":
        assert seen is None
        return
    try:
        expected = space.read(address, count)
    except SyscallError:
        expected = None
    assert seen == expected
