; End with the error number.

section .bss
buffer: resb 16

section .text
global _start

_start:
    mov rdi, [rsp + 16]         ; the file's name
    mov eax, 2                  ; open
    xor esi, esi
    xor edx, edx
    syscall
    test rax, rax
    js .failed

    mov rdi, rax
    xor eax, eax                ; read
    mov rsi, buffer
    mov edx, 16
    syscall
    test rax, rax
    js .failed
    xor eax, eax
.failed:
    mov rdi, rax
    neg rdi
    mov eax, 60
    syscall
