; counter in rcx
; caught by: counts from 9 to 0
; 9 to 0, then liftoff.

section .data
line: db "?", 10
last: db "liftoff", 10
last_length equ $ - last

section .text
global _start

_start:
    mov ecx, '9'                ; rbx survives system calls
.next:
    mov [line], cl
    mov eax, 1
    mov edi, 1
    mov rsi, line
    mov edx, 2
    syscall
    dec ecx
    cmp ecx, '0'
    jae .next

    mov eax, 1
    mov edi, 1
    mov rsi, last
    mov edx, last_length
    syscall

    mov eax, 60
    xor edi, edi
    syscall
