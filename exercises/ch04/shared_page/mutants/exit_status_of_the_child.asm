; exit status of the child
; caught by: the page is shared and belongs to no file
; A page that parent and child share.
SYS_write equ 1
SYS_mmap  equ 9
SYS_fork  equ 57
SYS_exit  equ 60
SYS_wait4 equ 61

PAGE      equ 4096

section .text
global _start

_start:
    mov eax, SYS_mmap
    xor edi, edi
    mov esi, PAGE
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 0x22
    mov r8, -1
    xor r9d, r9d
    syscall
    mov rbx, rax

    mov eax, SYS_fork
    syscall
    test eax, eax
    jnz .parent

    mov eax, SYS_exit
    mov edi, 42
    syscall

.parent:
    mov edi, eax
    mov eax, SYS_wait4
    lea rsi, [rsp - 16]
    xor edx, edx
    xor r10d, r10d
    syscall

    movzx edi, byte [rsp - 15]              ; what the child stored
    mov eax, SYS_exit
    syscall
