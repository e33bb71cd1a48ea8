; tell_apart: a program whose map has the areas that were asked for.
SYS_brk   equ 12
SYS_exit  equ 60

section .text
global _start

_start:
    ; TODO: sections .rodata, .data and .bss, and a heap of three pages

    mov eax, SYS_exit
    xor edi, edi
    syscall
