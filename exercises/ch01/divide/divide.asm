; divide: an unsigned division that survives zero.

section .text
global _start
global divide

; rdi: dividend, rsi: divisor, unsigned
; returns rax: quotient, rdx: remainder; for a divisor of zero -1 and the dividend
divide:
    ; TODO
    ret

_start:                         ; try it: 100 / 7 is 14
    mov edi, 100
    mov esi, 7
    call divide
    mov rdi, rax
    mov eax, 60
    syscall
