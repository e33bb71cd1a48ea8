; other numbers
; caught by: lets the processor add
; End with the status 30 + 12, computed by the program.

section .text
global _start

_start:
    mov rdi, 40
    mov rsi, 2
    add rdi, rsi

    mov rax, 60                 ; exit(rdi)
    syscall
