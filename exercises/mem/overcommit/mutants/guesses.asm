; guesses
; caught by: asks four times for a terabyte
section .text
global _start
_start:
    mov eax, 60
    mov edi, 14
    syscall
