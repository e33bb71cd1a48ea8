; one byte too many
; caught by: prints the line
; Print a line.

section .data
message: db "Hello, world!", 10
      db 0
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
    xor edi, edi
    syscall
