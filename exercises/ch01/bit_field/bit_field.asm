; bit_field: take some bits out of a number.

section .text
global _start
global bit_field

; rdi: value, rsi: lowest bit (0 to 63), rdx: how many bits (0 to 64)
; returns rax: those bits, moved down to bit 0
bit_field:
    ; TODO
    ret

_start:
    mov edi, 0b1011010110
    mov esi, 4
    mov edx, 4
    call bit_field
    mov rdi, rax
    mov eax, 60
    syscall
