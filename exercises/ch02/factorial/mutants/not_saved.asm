; not saved
; caught by: computes every factorial that fits
; By recursion.

section .text
global _start
global factorial

; rdi: n, 0 to 20
; returns rax: n!
factorial:
    test rdi, rdi
    jz .one
    sub rsp, 8
    dec rdi
    call factorial
    add rsp, 8
    imul rax, rdi
    ret
.one:
    mov eax, 1
    ret

_start:
    mov edi, 5
    call factorial
    mov rdi, rax
    mov eax, 60
    syscall
