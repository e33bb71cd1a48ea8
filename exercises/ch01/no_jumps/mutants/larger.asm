; caught by: finds the smaller of two numbers
; The larger one is returned.
; Choosing without a jump.

section .text
global _start
global magnitude
global smaller
global sign

; rdi: signed number; returns rax: its magnitude
magnitude:
    mov rax, rdi
    neg rax
    cmovs rax, rdi              ; -x is negative: then x was the positive one
    ret

; rdi, rsi: signed numbers; returns rax: the smaller one
smaller:
    mov rax, rdi
    cmp rsi, rdi
    cmovg rax, rsi
    ret

; rdi: signed number; returns rax: -1, 0 or 1
sign:
    xor eax, eax
    test rdi, rdi
    setg al
    sar rdi, 63                 ; -1 for negative numbers, else 0
    or rax, rdi
    ret

_start:
    mov rdi, -5
    call magnitude
    mov edi, eax
    mov eax, 60
    syscall
