; counts places
; caught by: counts the bits of small numbers
; How many bits of a number are set?

section .text
global _start
global count_bits

; rdi: a number
; returns rax: how many of its bits are 1
count_bits:
    xor eax, eax
.next:
    shr rdi, 1                  ; the lowest bit goes to the carry
    inc rax
    test rdi, rdi
    jnz .next
    ret

_start:
    mov edi, 0b1011
    call count_bits
    mov rdi, rax
    mov eax, 60
    syscall
