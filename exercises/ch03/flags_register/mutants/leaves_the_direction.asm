; leaves the direction
; caught by: tells which of any mask can be changed
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
    popfq
    pushfq
    pop rax                     ; the flags as they are now
    xor rax, rdx
    and rax, rdi
    ret

_start:
    mov edi, 1 << 0 | 1 << 9
    call changeable
    mov rdi, rax
    mov eax, 60
    syscall
