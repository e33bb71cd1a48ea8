; caught by: without a division
; The exponent is halved by div.
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
    mov r8, rax
    mov rax, rsi
    xor edx, edx
    mov ecx, 2
    div rcx
    mov rsi, rax
    mov rax, r8
    shr edx, 1
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
