; clobbered: a loop around a system call.

section .data
text: db "again ", 0

section .text
global _start
global repeat

; rdi: address, rsi: length, rdx: how often
; returns rax: bytes written in total
repeat:
    ; TODO
    ret

_start:
    mov rdi, text
    mov esi, 6
    mov edx, 3
    call repeat
    mov rdi, rax
    mov eax, 60
    syscall
