; divides first
; caught by: temperatures below zero
section .text
global _start
global celsius
celsius:
    lea rax, [rdi - 32]
    cqo
    mov ecx, 9
    idiv rcx
    imul rax, rax, 5
    ret
_start:
    mov eax, 60
    xor edi, edi
    syscall
