; gcd of 0
; caught by: finds the greatest common divisor
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
    mov eax, 1
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
    mov rax, rdi
    cmp rdi, rsi
    je .done
    xor edx, edx
    test rsi, rsi
    jz .zero
    div rsi
    mov rdi, rsi
    mov rsi, rdx
    jmp .next
.zero:
    xor edi, edi
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
