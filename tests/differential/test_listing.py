"""Listings beside nasm's: every line the preprocessor looked at, and what was placed for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toolkit.asm import assemble

pytestmark = pytest.mark.differential

REPETITIONS = """n equ 3
%assign k 2
%rep k
%assign z 1
%endrep
%rep k*2
; only a comment
%endrep
%rep n
 nop
%endrep
%rep 0
 nop
%endrep
%macro m 1
%rep %1
%assign q 1 ; why
%endrep
%endmacro
m 2
m 0
%rep 2
%rep k
%define   x
%endrep
%endrep
%assign i 0
%rep 5
%if i == 2
%exitrep
%endif
%assign i i+1
%endrep
"""
MACROS = """%use smartalign
%macro hidden 1.nolist
 nop
 db %1
%endmacro
%macro visible 1-2 3
 hidden %1
 db %2, \\
   4
%%x: jmp %%x
%if %1 > 2
 nop
%else
 %exitmacro
%endif
%endmacro
align 16
visible 4
 hidden 5
visible 1, 2
db 1, \\
 2
%line 100+1 other.asm
 nop
 visible 1
%line 30+1 t.asm
struc s
.a: resb 1
endstruc
is: istruc s
at .a, db 1
iend
%if 0
 visible 3
%endif
section .bss
 resb 5
 resq 100
"""
SWITCHED_OFF = """ nop
[list -]
 nop
[list +]
%macro m 0
 nop
[list -]
 nop
%endmacro
m
 nop
[list +]
 nop
"""
INCLUDED = """%include "i.inc"
%rep 2
 db 1
%include "i.inc"
%endrep
%macro m 1
 mov al, %1
%endmacro
 m 300
 m 1
%warning hello
times 3 db 1,2
times 2 mov eax,[x]
x: dq 1.5, x
 incbin "i.inc"
"""
WRAPPED = """ times 2 dq 1,2
 times 2 db "abcdefghijklmnop"
 times 2 mov rax, 0x1234567812345678
 times 3 mov dword [x], 0x12345678
x: times 2 db 2 dup (1,2,3,4,5,6)
 times 2 dq 1,$
 times 2 incbin "i.inc"
 mov al, \\
   300
section .bss
 times 2 resb 100
 times 2 resw 1
"""
PROGRAMS = {
    "wrapped": WRAPPED,
    "repetitions": REPETITIONS,
    "macros": MACROS,
    "list": SWITCHED_OFF,
    "included": INCLUDED,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_listing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.asm").write_text(PROGRAMS[name])
    Path("i.inc").write_text(" db 9\n%if 1\n nop\n%endif\n")
    command = ["nasm", "-f", "elf64", "t.asm", "-l", "t.lst"]
    subprocess.run(command, capture_output=True, check=True)
    assert assemble(Path("t.asm"), listing=True).listing() == Path("t.lst").read_text()
