; division: a result that does not exist

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
    ; TODO: load rax, rdx and a divisor before the label, and divide here

    mov eax, 60                 ; not reached
    xor edi, edi
    syscall
