; Parent and child and one variable.

section .data
number: dd 5

section .bss
status: resd 1

section .text
global _start

_start:
    mov eax, 57                 ; fork
    syscall
    test eax, eax
    jnz .parent

    add dword [number], 4       ; the child gets a copy of the page here
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
