; Memory that is given back is gone.

PAGE equ 4096

section .rodata
text: db "one page left", 10
length equ $ - text

section .text
global _start

_start:
    mov eax, 12
    xor edi, edi
    syscall
    mov r12, rax

    mov eax, 12
    lea rdi, [r12 + 3 * PAGE]
    syscall
    mov byte [r12 + 2 * PAGE], 3

    mov eax, 12
    lea rdi, [r12 + PAGE]
    syscall
    mov byte [r12], 'a'

    mov eax, 1
    mov edi, 1
    mov rsi, text
    mov edx, length
    syscall

    mov byte [r12 + PAGE], 2    ; gone

    mov eax, 60
    xor edi, edi
    syscall
