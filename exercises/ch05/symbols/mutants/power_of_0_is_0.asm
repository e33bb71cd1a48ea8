; power of 0 is 0
; caught by: computes powers
; Three functions, local labels, and a constant.

section .text
global _start
global sum_to
global power
global gcd
global code_size

; rdi: n; returns rax: 1 + 2 + ... + n
sum_to:
    xor eax, eax
.next:
    test rdi, rdi
    jz .done
    add rax, rdi
    dec rdi
    jmp .next
.done:
    ret

; rdi: base, rsi: exponent; returns rax: power
power:
    mov rax, rdi
.next:
    test rsi, rsi
    jz .done
    imul rax, rdi
    dec rsi
    jmp .next
.done:
    ret

; rdi, rsi: two numbers; returns rax: their greatest common divisor
gcd:
.next:
    test rsi, rsi
    jz .done
    mov rax, rdi
    xor edx, edx
    div rsi
    mov rdi, rsi
    mov rsi, rdx
    jmp .next
.done:
    mov rax, rdi
    ret

code_size equ $ - sum_to

_start:
    mov edi, 48
    mov esi, 36
    call gcd
    mov rdi, rax
    mov eax, 60
    syscall
