; symbols: three functions, local labels, and a constant.

section .text
global _start
global sum_to
global power
global gcd
global code_size

sum_to:
    ; TODO
    ret

power:
    ; TODO
    ret

gcd:
    ; TODO
    ret

    ; TODO: code_size
code_size equ 0

_start:
    mov edi, 48
    mov esi, 36
    call gcd
    mov rdi, rax
    mov eax, 60
    syscall
