; caught by: maps the file private and read-only
; Reads the file into a buffer: the right output, but nothing is mapped.
section .rodata
name: db "test.txt", 0
section .bss
buffer: resb 65536
section .text
global _start
_start:
    mov eax, 2
    mov edi, name
    xor esi, esi
    xor edx, edx
    syscall
    mov rdi, rax
    xor eax, eax                ; read
    mov esi, buffer
    mov edx, 65536
    syscall
    mov rdx, rax
    mov eax, 1
    mov edi, 1
    mov esi, buffer
    syscall
    mov eax, 60
    xor edi, edi
    syscall
