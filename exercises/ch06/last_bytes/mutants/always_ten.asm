; always ten
; caught by: prints a short file whole
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

    mov eax, 8                  ; lseek; if it fails, the position stays at 0
    mov rdi, r12
    mov rsi, -10
    mov edx, 2                  ; from the end
    syscall

    xor eax, eax                ; read
    mov rdi, r12
    mov rsi, buffer
    mov edx, 10
    syscall

    mov edx, 10
    mov eax, 1
    mov edi, 1
    mov rsi, buffer
    syscall

    mov eax, 60
    xor edi, edi
    syscall
