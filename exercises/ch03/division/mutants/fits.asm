; fits
; caught by: dies of SIGFPE
; A result that does not exist

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

    mov rax, 1 << 63            ; -2^63
    cqo
    mov rcx, -2
forbidden:
    idiv rcx

    mov eax, 60                 ; not reached
    xor edi, edi
    syscall
