; reads everything
; caught by: does not read the rest
; Print the last ten bytes of a file.

section .bss
buffer: resb 10

section .text
global _start

_start:
    mov eax, 2                  ; open
    mov rdi, [rsp + 16]
    xor esi, esi
    xor edx, edx
    syscall
    mov r12, rax

    mov eax, 8
    mov rdi, r12
    xor esi, esi
    mov edx, 2
    syscall
    mov rbx, rax
    mov eax, 8
    mov rdi, r12
    xor esi, esi
    xor edx, edx
    syscall
.skip:
    cmp rbx, 10
    jbe .tail
    xor eax, eax
    mov rdi, r12
    mov rsi, buffer
    mov edx, 1
    syscall
    dec rbx
    jmp .skip
.tail:
    xor eax, eax                ; read
    mov rdi, r12
    mov rsi, buffer
    mov edx, 10
    syscall

    mov rdx, rax
    mov eax, 1
    mov edi, 1
    mov rsi, buffer
    syscall

    mov eax, 60
    xor edi, edi
    syscall
