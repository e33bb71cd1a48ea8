; table_walk: take an address apart.

section .text
global _start
global walk

; rdi: address, rsi: five quadwords
; returns rax: 1 if the address is canonical
walk:
    ; TODO
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
