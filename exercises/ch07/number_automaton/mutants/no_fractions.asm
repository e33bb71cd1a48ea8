; no fractions
; caught by: accepts fractions
; Accept numbers.

section .text
global _start
global is_number

; rdi: address of a string that ends with a zero byte
; returns rax: 1 if it is a number, else 0
is_number:
    mov al, [rdi]
    inc rdi
    cmp al, '+'
    je .sign
    cmp al, '-'
    je .sign
    sub al, '0'
    cmp al, 9
    jbe .digits
    jmp .no
.sign:
    mov al, [rdi]
    inc rdi
    sub al, '0'
    cmp al, 9
    jbe .digits
    jmp .no
.digits:
    mov al, [rdi]
    inc rdi
    test al, al
    jz .yes
    sub al, '0'
    cmp al, 9
    jbe .digits
    jmp .no
.point:
    mov al, [rdi]
    inc rdi
    sub al, '0'
    cmp al, 9
    jbe .fraction
    jmp .no
.fraction:
    mov al, [rdi]
    inc rdi
    test al, al
    jz .yes
    sub al, '0'
    cmp al, 9
    jbe .fraction
.no:
    xor eax, eax
    ret
.yes:
    mov eax, 1
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
