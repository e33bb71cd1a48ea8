; factorial: by recursion.

section .text
global _start
global factorial

; rdi: n, 0 to 20
; returns rax: n!
factorial:
    ; TODO
    ret

_start:
    mov edi, 5
    call factorial
    mov rdi, rax
    mov eax, 60
    syscall
