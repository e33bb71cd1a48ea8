; halves first
; caught by: small numbers
; The average of two numbers, however large.

section .text
global _start
global average

; rdi, rsi: two unsigned numbers
; returns rax: their average, rounded down
average:
    mov rax, rdi
    shr rax, 1
    shr rsi, 1
    add rax, rsi
    ret

_start:
    mov edi, 10
    mov esi, 21
    call average
    mov rdi, rax
    mov eax, 60
    syscall
