; popcnt
; caught by: does it without popcnt
; How many bits of a number are set?

section .text
global _start
global count_bits

; rdi: a number
; returns rax: how many of its bits are 1
count_bits:
    popcnt rax, rdi
    ret

_start:
    mov edi, 0b1011
    call count_bits
    mov rdi, rax
    mov eax, 60
    syscall
