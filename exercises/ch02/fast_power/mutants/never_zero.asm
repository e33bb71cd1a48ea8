; caught by: computes small powers
; Tests at the end: base^0 is base.
; Powers by squaring.

section .text
global _start
global power

; rdi: base, rsi: exponent
; returns rax: base^exponent, modulo 2^64
power:
    mov eax, 1
    or rsi, 1
.next:
    shr rsi, 1                  ; the lowest bit goes to the carry
    jnc .square
    imul rax, rdi
.square:
    imul rdi, rdi
    test rsi, rsi
    jnz .next
.done:
    ret

_start:
    mov edi, 3
    mov esi, 5
    call power
    mov edi, eax
    mov eax, 60
    syscall
