; no fork
; caught by: there was a child, and the parent waited for it
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
    mov r10d, 0x21              ; MAP_SHARED | MAP_ANONYMOUS
    mov r8, -1
    xor r9d, r9d
    syscall
    mov rbx, rax


    mov dword [rbx], 42         ; the child

    mov edi, [rbx]              ; what the child stored
    mov eax, SYS_exit
    syscall
