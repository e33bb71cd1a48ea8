; table: tables computed by the assembler.

section .rodata
global squares
global popcounts

squares:
    ; TODO: 256 double words
popcounts:
    ; TODO: 256 bytes

section .text
global _start
global count_bits

; rdi: number
; returns rax: how many of its bits are set
count_bits:
    ; TODO
    ret

_start:
    mov edi, 255
    call count_bits
    mov rdi, rax
    mov eax, 60
    syscall
