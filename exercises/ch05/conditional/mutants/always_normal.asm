; always normal
; caught by: prints another word for another level
; Print a word chosen when the program is built.

%ifndef LEVEL
%define LEVEL 1
%endif

section .rodata
answer:
    db "normal", 10
length equ $ - answer

section .text
global _start

_start:
    mov eax, 1
    mov edi, 1
    mov rsi, answer
    mov edx, length
    syscall

    mov eax, 60
    xor edi, edi
    syscall
