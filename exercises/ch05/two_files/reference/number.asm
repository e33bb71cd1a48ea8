; Prints a number.

section .bss
text: resb 21
text_end:

section .text
global print_number

; rdi: unsigned number; prints it in decimal with a newline
print_number:
    mov rax, rdi
    mov ecx, 10
    mov rsi, text_end - 1
    mov byte [rsi], 10
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
