; overcommit: which promises does the kernel make?

SIZE equ 1 << 40

section .text
global _start

_start:
    ; TODO

    mov eax, 60
    xor edi, edi
    syscall
