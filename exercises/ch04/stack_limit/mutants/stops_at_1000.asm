; stops at 1000
; caught by: dies of a stack overflow
; Grow the stack to its limit.
SYS_exit equ 60

section .text
global _start
global deeper

_start:
    xor ebx, ebx                ; how deep
deeper:
    sub rsp, 4088
    inc rbx
    cmp ebx, 1000
    jb deeper.again
    mov eax, SYS_exit
    xor edi, edi
    syscall
deeper.again:
    call deeper
