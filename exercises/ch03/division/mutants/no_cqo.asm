; no cqo
; caught by: it is idiv by -1
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
    mov edx, 7
    mov rcx, -1
forbidden:
    idiv rcx

    mov eax, 60                 ; not reached
    xor edi, edi
    syscall
