; caught by: prints from both pages
; Takes brk's argument for a number of bytes instead of an address.
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
    mov edi, 2 * PAGE             ; brk takes an address, not a size
    syscall

    
    

    mov eax, SYS_write
    mov edi, 1
    mov rsi, rsp
    mov edx, 1
    syscall

    mov eax, SYS_write
    mov edi, 1
    mov rsi, rsp
    mov edx, 1
    syscall

    mov eax, SYS_exit
    xor edi, edi
    syscall
