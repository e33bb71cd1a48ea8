; bss in data
; caught by: 24 bytes of data
; A program with the sizes that were asked for.

section .rodata
constants: times 32 db 1

section .data
variables: dq 1, 2, 3

room: times 1000 db 0

section .text
global _start

_start:
    mov eax, 60
    xor edi, edi
    syscall
