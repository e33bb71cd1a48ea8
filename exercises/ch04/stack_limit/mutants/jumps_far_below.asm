; jumps far below
; caught by: the stack has grown to its limit
; Grow the stack to its limit.
SYS_exit equ 60

section .text
global _start
global deeper

_start:
    xor ebx, ebx                ; how deep
deeper:
    sub rsp, 16 * 1024 * 1024
    inc rbx
    call deeper
