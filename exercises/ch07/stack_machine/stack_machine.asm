; stack_machine: run programs for a machine without registers.

section .text
global _start
global interpret

; rdi: address of a program
; returns rax: its result
interpret:
    ; TODO
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
