; status 1
; caught by: ends with status 0
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
    mov edx, length
    syscall

    mov eax, 60
    mov edi, 1
    syscall
