; print_decimal: an unsigned number in decimal.

section .bss
text: resb 20                   ; 2^64 - 1 has 20 digits
text_end:

section .text
global _start
global print_decimal

; rdi: an unsigned number
print_decimal:
    ; TODO
    ret

_start:
    mov edi, 1234
    call print_decimal
    mov eax, 60
    xor edi, edi
    syscall
