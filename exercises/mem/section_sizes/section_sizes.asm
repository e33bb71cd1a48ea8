; section_sizes: a program with the sizes that were asked for.

section .text
global _start

_start:
    mov eax, 60
    xor edi, edi
    syscall
