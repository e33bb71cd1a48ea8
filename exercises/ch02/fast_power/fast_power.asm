; fast_power: powers by squaring.

section .text
global _start
global power

; rdi: base, rsi: exponent
; returns rax: base^exponent, modulo 2^64
power:
    ; TODO
    ret

_start:                         ; try it: 3^5 is 243
    mov edi, 3
    mov esi, 5
    call power
    mov edi, eax
    mov eax, 60
    syscall
