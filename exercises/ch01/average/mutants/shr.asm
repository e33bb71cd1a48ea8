; shr
; caught by: numbers whose sum needs 65 bits
; The average of two numbers, however large.

section .text
global _start
global average

; rdi, rsi: two unsigned numbers
; returns rax: their average, rounded down
average:
    mov rax, rdi
    add rax, rsi                ; the 65th bit is in the carry flag
    shr rax, 1
    ret

_start:
    mov edi, 10
    mov esi, 21
    call average
    mov rdi, rax
    mov eax, 60
    syscall
