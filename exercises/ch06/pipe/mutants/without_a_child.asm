; without a child
; caught by: with a child, a pipe, and a wait
SIZE equ 512
section .bss
buffer: resb SIZE
section .text
global _start
_start:
.next:
    xor eax, eax
    xor edi, edi
    mov rsi, buffer
    mov edx, SIZE
    syscall
    test rax, rax
    jle .done
    mov rdx, rax
    xor ecx, ecx
.change:
    inc byte [buffer + rcx]
    inc rcx
    cmp rcx, rdx
    jb .change
    mov eax, 1
    mov edi, 1
    syscall
    jmp .next
.done:
    mov eax, 60
    xor edi, edi
    syscall
