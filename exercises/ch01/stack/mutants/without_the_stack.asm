; without the stack
; caught by: uses the stack
section .text
global _start
global reverse
reverse:
    lea rsi, [rdi + rsi*8]
.next:
    sub rsi, 8
    cmp rdi, rsi
    jae .done
    mov rax, [rdi]
    mov rcx, [rsi]
    mov [rdi], rcx
    mov [rsi], rax
    add rdi, 8
    jmp .next
.done:
    ret
_start:
    mov eax, 60
    xor edi, edi
    syscall
