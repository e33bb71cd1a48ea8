; ring: ask the processor for the privilege level.

section .text
global _start
global ring
global selector_index

; returns rax: 0 to 3
ring:
    ; TODO
    ret

; returns rax: the index part of cs
selector_index:
    ; TODO
    ret

_start:
    call ring
    mov rdi, rax
    mov eax, 60
    syscall
