; writes it
; caught by: it is the read of cr3 that is refused
; The root of all addresses

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
    mov cr3, rax

    mov eax, 60                 ; not reached
    xor edi, edi
    syscall
