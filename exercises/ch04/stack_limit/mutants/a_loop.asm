; a loop
; caught by: dies of a stack overflow
; Grow the stack to its limit.
SYS_exit equ 60

section .text
global _start
global deeper

_start:
    xor ebx, ebx                ; how deep
deeper:
    inc rbx
    jmp deeper
