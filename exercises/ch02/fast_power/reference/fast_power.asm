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
    shr rsi, 1                  ; the lowest bit goes to the carry
    jnc .square
    imul rax, rdi
.square:
    imul rdi, rdi
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
