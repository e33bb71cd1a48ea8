; twice
; caught by: prints 2026
; The main file. It needs print_number from the other one.

section .text
global _start
extern print_number

_start:
    mov edi, 2026
    call print_number
    mov edi, 2026
    call print_number
    mov eax, 60
    xor edi, edi
    syscall
