; written out
; caught by: is a loop
section .data
text: db "9", 10, "8", 10, "7", 10, "6", 10, "5", 10, "4", 10, "3", 10, "2", 10, "1", 10, "0", 10, "liftoff", 10
length equ $ - text
section .text
global _start
_start:
    mov eax, 1
    mov edi, 1
    mov rsi, text
    mov edx, length
    syscall
    mov eax, 60
    xor edi, edi
    syscall
