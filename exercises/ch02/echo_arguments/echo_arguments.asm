; echo_arguments: each argument on a line of its own.

section .data
newline: db 10

section .text
global _start

_start:
    ; TODO: go through the addresses from [rsp + 16] on, until one is 0
    ; TODO: for each: measure the string, write it, write the newline

    mov eax, 60
    xor edi, edi
    syscall
