; pipe: two processes and a pipe.

SIZE equ 512

section .bss
ends:   resd 2                  ; to read from, to write to
buffer: resb SIZE

section .text
global _start

_start:
    ; TODO

    mov eax, 60
    mov edi, 2
    syscall
