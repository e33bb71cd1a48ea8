; prints without exec
; caught by: runs itself again
; A program that runs itself again.

section .rodata
again: db "again", 0

section .bss
arguments: resq 3
newline:   resb 1

section .text
global _start

_start:
    cmp qword [rsp], 2
    jae .print

    mov qword [rsp + 16], again
    jmp .print
    mov rdi, [rsp + 8]
    mov [arguments], rdi
    mov qword [arguments + 8], again
    lea rdx, [rsp + 24]         ; the environment
    mov rsi, arguments
    mov eax, 59                 ; execve
    syscall

    mov eax, 60
    mov edi, 1
    syscall

.print:
    mov rsi, [rsp + 16]
    xor edx, edx
.measure:
    cmp byte [rsi + rdx], 0
    je .write
    inc rdx
    jmp .measure
.write:
    mov eax, 1
    mov edi, 1
    syscall
    mov byte [newline], 10
    mov eax, 1
    mov edi, 1
    mov rsi, newline
    mov edx, 1
    syscall
    mov eax, 60
    xor edi, edi
    syscall
