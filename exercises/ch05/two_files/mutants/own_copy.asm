; own copy
; caught by: uses the function of the other file
section .rodata
text: db "2026", 10
section .text
global _start
_start:
    mov eax, 1
    mov edi, 1
    mov rsi, text
    mov edx, 5
    syscall
    mov eax, 60
    xor edi, edi
    syscall
