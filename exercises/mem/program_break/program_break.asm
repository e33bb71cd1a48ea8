; program_break: memory that is given back is gone.

PAGE equ 4096

section .rodata
text: db "one page left", 10
length equ $ - text

section .text
global _start

_start:
    ; TODO

    mov eax, 60
    xor edi, edi
    syscall
