; An unsigned division that survives zero.

section .text
global _start
global divide

; rdi: dividend, rsi: divisor, unsigned
; returns rax: quotient, rdx: remainder; for a divisor of zero -1 and the dividend
divide:
    test rsi, rsi
    jz .zero
    mov rax, rdi
    xor edx, edx                ; the upper half of the dividend
    div rsi
    ret
.zero:
    mov rax, -1
    mov rdx, rdi
    ret

_start:
    mov edi, 100
    mov esi, 7
    call divide
    mov rdi, rax
    mov eax, 60
    syscall
