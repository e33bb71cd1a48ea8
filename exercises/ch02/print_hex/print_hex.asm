; print_hex: a number as sixteen hexadecimal digits.

section .data
digits: db "0123456789abcdef"

section .bss
text: resb 16

section .text
global _start
global print_hex

; rdi: a number
print_hex:
    ; TODO
    ret

_start:
    mov rdi, 0x0123456789abcdef
    call print_hex
    mov eax, 60
    xor edi, edi
    syscall
