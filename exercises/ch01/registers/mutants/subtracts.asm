; subtracts
; caught by: ends with status 42
; End with the status 30 + 12, computed by the program.

section .text
global _start

_start:
    mov rdi, 30
    mov rsi, 12
    sub rdi, rsi

    mov rax, 60                 ; exit(rdi)
    syscall
