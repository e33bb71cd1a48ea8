; small steps
; caught by: counts the levels
; Grow the stack to its limit.
SYS_exit equ 60

section .text
global _start
global deeper

_start:
    xor ebx, ebx                ; how deep
deeper:
    sub rsp, 24
    inc rbx
    call deeper
