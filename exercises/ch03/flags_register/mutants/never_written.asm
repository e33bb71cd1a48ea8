; never written
; caught by: user mode may not change the interrupt flag
; Which flags can this program change?

section .text
global _start
global changeable

; rdi: a mask of flag bits
; returns rax: those of them that could be inverted
changeable:
    pushfq
    pop rdx                     ; the flags as they were
    mov rcx, rdx
    xor rcx, rdi
    push rcx
    pop rax                     ; the flags as they are now
    xor rax, rdx
    and rax, rdi
    push rdx
    popfq
    ret

_start:
    mov edi, 1 << 0 | 1 << 9
    call changeable
    mov rdi, rax
    mov eax, 60
    syscall
