; no_jumps: choosing without a jump.

section .text
global _start
global magnitude
global smaller
global sign

; rdi: signed number; returns rax: its magnitude
magnitude:
    ; TODO
    ret

; rdi, rsi: signed numbers; returns rax: the smaller one
smaller:
    ; TODO
    ret

; rdi: signed number; returns rax: -1, 0 or 1
sign:
    ; TODO
    ret

_start:                         ; try it: the status is 5
    mov rdi, -5
    call magnitude
    mov edi, eax
    mov eax, 60
    syscall
