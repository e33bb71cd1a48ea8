; wrong unit
; caught by: 1000 bytes of bss
; A program with the sizes that were asked for.

section .rodata
constants: times 32 db 1

section .data
variables: dq 1, 2, 3

section .bss
room: resw 1000

section .text
global _start

_start:
    mov eax, 60
    xor edi, edi
    syscall
