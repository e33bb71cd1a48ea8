; Write to a byte that may only be read.

section .rodata
greeting: db "constant", 10

section .text
global _start

_start:
    mov byte [greeting], 'C'    ; the area exists, its rights are r--: SIGSEGV

    mov eax, 60
    xor edi, edi
    syscall
