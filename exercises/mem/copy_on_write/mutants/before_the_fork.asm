; before the fork
; caught by: the child has a number of its own
; Parent and child and one variable.

section .data
number: dd 5

section .bss
status: resd 1

section .text
global _start

_start:
    add dword [number], 4
    mov eax, 57
    syscall
    test eax, eax
    jnz .parent

    mov edi, [number]
    mov eax, 60
    syscall

.parent:
    mov edi, eax
    mov eax, 61                 ; wait4
    mov rsi, status
    xor edx, edx
    xor r10d, r10d
    syscall

    movzx eax, byte [status + 1]
    imul edi, eax, 10
    add edi, [number]
    mov eax, 60
    syscall
