; index lost
; caught by: reads the element
; Read an array through fs.

ARCH_SET_FS    equ 0x1002
SYS_arch_prctl equ 158

section .data
array: dq 10, 20, 30

section .text
global _start
global through_fs

; rdi: address of quadwords, rsi: index
; returns rax: that element, read through fs
through_fs:
    mov rsi, rdi
    mov rdx, rsi
    mov edi, ARCH_SET_FS
    mov eax, SYS_arch_prctl
    syscall
    mov rax, [fs:rdx*8]
    ret

_start:
    mov rdi, array
    mov esi, 2
    call through_fs
    mov rdi, rax
    mov eax, 60
    syscall
