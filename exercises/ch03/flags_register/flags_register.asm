; flags_register: which flags can this program change?

section .text
global _start
global changeable

; rdi: a mask of flag bits
; returns rax: those of them that could be inverted
changeable:
    ; TODO
    ret

_start:                         ; try it: bit 0 can be changed, bit 9 cannot
    mov edi, 1 << 0 | 1 << 9
    call changeable
    mov rdi, rax
    mov eax, 60
    syscall
