; countdown: 9 to 0, then liftoff.

section .data
line: db "?", 10
last: db "liftoff", 10
last_length equ $ - last

section .text
global _start

_start:
    ; TODO: for each digit from 9 to 0: put its character into [line], and write(1, line, 2)
    ; TODO: write(1, last, last_length)

    mov eax, 60
    xor edi, edi
    syscall
