; one short
; caught by: the table of bit counts is right
; Tables computed by the assembler.

section .rodata
global squares
global popcounts

squares:
%assign i 0
%rep 256
    dd i * i
%assign i i + 1
%endrep

popcounts:
%assign i 0
%rep 255
    db (i & 1) + (i >> 1 & 1) + (i >> 2 & 1) + (i >> 3 & 1) + (i >> 4 & 1) + (i >> 5 & 1) + (i >> 6 & 1) + (i >> 7 & 1)
%assign i i + 1
%endrep

section .text
global _start
global count_bits

; rdi: number
; returns rax: how many of its bits are set
count_bits:
    xor eax, eax
.next:
    movzx ecx, dil
    movzx ecx, byte [popcounts + rcx]
    add eax, ecx
    shr rdi, 8
    jnz .next
    ret

_start:
    mov edi, 255
    call count_bits
    mov rdi, rax
    mov eax, 60
    syscall
