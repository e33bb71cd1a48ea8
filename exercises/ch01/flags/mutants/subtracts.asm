; subtracts
; caught by: small sums fit
; Does a sum fit?

section .text
global _start
global add_flags

; rdi, rsi: two numbers
; returns rax: 1 if the unsigned sum does not fit + 2 if the signed sum does not fit
add_flags:
    sub rdi, rsi
    setc al
    seto cl
    movzx eax, al
    movzx ecx, cl
    lea rax, [rax + rcx*2]
    ret

_start:
    mov rdi, -1
    mov esi, 1
    call add_flags
    mov rdi, rax
    mov eax, 60
    syscall
