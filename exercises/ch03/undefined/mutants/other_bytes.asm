; other bytes
; caught by: it is ud2
; An instruction that does not exist

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
    db 0x06                     ; push es: undefined in 64-bit mode

    mov eax, 60                 ; not reached
    xor edi, edi
    syscall
