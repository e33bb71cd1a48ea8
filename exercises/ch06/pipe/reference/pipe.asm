; Two processes and a pipe.

SIZE equ 512

section .bss
ends:   resd 2                  ; to read from, to write to
buffer: resb SIZE

section .text
global _start

_start:
    mov eax, 22                 ; pipe
    mov rdi, ends
    syscall

    mov eax, 57                 ; fork
    syscall
    test eax, eax
    jnz .parent

.child_next:
    xor eax, eax
    xor edi, edi
    mov rsi, buffer
    mov edx, SIZE
    syscall
    test rax, rax
    jle .child_done
    mov rdx, rax
    xor ecx, ecx
.change:
    inc byte [buffer + rcx]
    inc rcx
    cmp rcx, rdx
    jb .change
    mov eax, 1
    mov edi, [ends + 4]
    mov rsi, buffer
    syscall
    jmp .child_next
.child_done:
    mov eax, 60
    xor edi, edi
    syscall

.parent:
    mov r12d, eax               ; the child's number
    mov eax, 3                  ; the parent does not write into it
    mov edi, [ends + 4]
    syscall
.parent_next:
    xor eax, eax
    mov edi, [ends]
    mov rsi, buffer
    mov edx, SIZE
    syscall
    test rax, rax
    jle .parent_done
    mov rdx, rax
    mov eax, 1
    mov edi, 1
    mov rsi, buffer
    syscall
    jmp .parent_next
.parent_done:
    mov eax, 61                 ; wait4
    mov edi, r12d
    xor esi, esi
    xor edx, edx
    xor r10d, r10d
    syscall
    mov eax, 60
    xor edi, edi
    syscall
