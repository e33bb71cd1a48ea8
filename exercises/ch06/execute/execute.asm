; execute: a program that runs itself again.

section .rodata
again: db "again", 0

section .bss
arguments: resq 3

section .text
global _start

_start:
    ; TODO: [rsp] is the number of arguments; with 2 or more print the string at [rsp + 16]
    ; TODO: otherwise fill `arguments`: [rsp + 8], again, 0
    ; TODO: execve([rsp + 8], arguments, rsp + 24)   the environment begins behind the arguments' 0

    mov eax, 60
    mov edi, 1
    syscall
