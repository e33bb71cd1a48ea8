; brackets: are they balanced?

section .text
global _start
global balanced

; rdi: address of a string that ends with a zero byte
; returns rax: 1 if its brackets are balanced, else 0
balanced:
    ; TODO
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
