; registers: end with the status 30 + 12, computed by the program.

section .text
global _start

_start:
    ; TODO: put 30 into rdi, 12 into another register, and add it to rdi

    mov rax, 60                 ; exit(rdi)
    syscall
