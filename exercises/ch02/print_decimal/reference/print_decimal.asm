; An unsigned number in decimal.

section .bss
text: resb 20                   ; 2^64 - 1 has 20 digits
text_end:

section .text
global _start
global print_decimal

; rdi: an unsigned number
print_decimal:
    mov rax, rdi
    mov ecx, 10
    mov rsi, text_end
.next:
    xor edx, edx
    div rcx
    add dl, '0'
    dec rsi
    mov [rsi], dl
    test rax, rax
    jnz .next

    mov rdx, text_end
    sub rdx, rsi
    mov eax, 1
    mov edi, 1
    syscall
    ret

_start:
    mov edi, 1234
    call print_decimal
    mov eax, 60
    xor edi, edi
    syscall
