; byte by byte
; caught by: writes once
; Print a line.

section .data
message: db "Hello, world!", 10
length equ $ - message

section .text
global _start

_start:
    mov eax, 1                  ; write
    mov edi, 1                  ; to the standard output
    mov rsi, message
    mov edx, 7
    syscall
    mov eax, 1
    mov rsi, message + 7
    mov edx, length - 7
    syscall

    mov eax, 60
    xor edi, edi
    syscall
