; caught by: the heap is two pages long
; Takes memory below the stack pointer instead of a heap.
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
    lea r12, [rsp - 3 * PAGE]   ; memory, but not the heap

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
