; fork_wait: run a function in a child, and tell how it ended.

section .bss
status: resd 1

section .text
global _start
global outcome
global fine
global crash
global trap

; rdi: address of a function
; returns rax: its result (0 to 255), or 128 + signal
outcome:
    ; TODO
    ret

fine:                           ; three functions to try
    mov eax, 203
    ret
crash:
    mov al, [0]
    ret
trap:
    int3
    ret

_start:
    mov rdi, crash
    call outcome
    mov rdi, rax
    mov eax, 60
    syscall
