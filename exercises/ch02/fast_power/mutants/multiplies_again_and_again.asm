; caught by: in at most 10 n + 10 instructions
; One multiplication for each unit of the exponent.
; Powers by squaring.

section .text
global _start
global power

; rdi: base, rsi: exponent
; returns rax: base^exponent, modulo 2^64
power:
    mov eax, 1
.next:
    test rsi, rsi
    jz .done
    imul rax, rdi
    dec rsi
    jmp .next
.done:
    ret

_start:
    mov edi, 3
    mov esi, 5
    call power
    mov edi, eax
    mov eax, 60
    syscall
