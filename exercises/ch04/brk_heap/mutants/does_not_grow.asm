; caught by: prints from both pages
; The second brk is prepared, but the system call is missing.
SYS_write equ 1
SYS_brk   equ 12
SYS_exit  equ 60

PAGE      equ 4096

section .text
global _start

_start:
    mov eax, SYS_brk
    xor edi, edi                ; an impossible end: the kernel answers with the present one
    syscall
    mov r12, rax

    mov eax, SYS_brk
    lea rdi, [r12 + 2 * PAGE]
                                ; forgot to ask the kernel

    mov byte [r12], 'H'
    mov byte [r12 + 2 * PAGE - 1], 10

    mov eax, SYS_write
    mov edi, 1
    mov rsi, r12
    mov edx, 1
    syscall

    mov eax, SYS_write
    mov edi, 1
    lea rsi, [r12 + 2 * PAGE - 1]
    mov edx, 1
    syscall

    mov eax, SYS_exit
    xor edi, edi
    syscall
