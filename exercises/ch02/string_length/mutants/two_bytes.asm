; two bytes
; caught by: measures a word
; How many bytes before the zero?

section .data
example: db "hello", 0

section .text
global _start
global string_length

; rdi: address of a string that ends with a zero byte
; returns rax: its length
string_length:
    xor eax, eax
.next:
    movzx ecx, word [rdi + rax]
    test cl, cl
    jz .done
    inc rax
    jmp .next
.done:
    ret

_start:
    mov rdi, example
    call string_length
    mov rdi, rax
    mov eax, 60
    syscall
