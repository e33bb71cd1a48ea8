; A stop for the debugger

section .data
before: db "before", 10
before_length equ $ - before

section .text
global _start
global forbidden

_start:
    mov eax, 1
    mov edi, 1
    mov rsi, before
    mov edx, before_length
    syscall

forbidden:
    int3

    mov eax, 60                 ; not reached
    xor edi, edi
    syscall
