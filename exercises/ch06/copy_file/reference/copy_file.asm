; Copy the file named first to the file named second.

SIZE equ 4096

section .bss
buffer: resb SIZE

section .text
global _start

_start:
    mov eax, 2                  ; open the source
    mov rdi, [rsp + 16]
    xor esi, esi
    xor edx, edx
    syscall
    test rax, rax
    js .failed
    mov r12, rax

    mov eax, 2                  ; open the target
    mov rdi, [rsp + 24]
    mov esi, 0o1101             ; O_WRONLY | O_CREAT | O_TRUNC
    mov edx, 0o644
    syscall
    test rax, rax
    js .failed
    mov r13, rax

.read:
    xor eax, eax
    mov rdi, r12
    mov rsi, buffer
    mov edx, SIZE
    syscall
    test rax, rax
    js .failed
    jz .done
    mov r14, rax                ; how much is left to write
    mov rsi, buffer
.write:
    mov eax, 1
    mov rdi, r13
    mov rdx, r14
    syscall
    test rax, rax
    js .failed
    add rsi, rax
    sub r14, rax
    jnz .write
    jmp .read

.done:
    mov eax, 60
    xor edi, edi
    syscall
.failed:
    mov eax, 60
    mov edi, 1
    syscall
