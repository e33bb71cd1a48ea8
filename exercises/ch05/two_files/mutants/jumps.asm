; jumps
; caught by: prints 2026
; The main file. It needs print_number from the other one.

section .text
global _start
extern print_number

_start:
    mov edi, 2026
    jmp print_number
    mov eax, 60
    xor edi, edi
    syscall
