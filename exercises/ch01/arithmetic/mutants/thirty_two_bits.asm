; thirty two bits
; caught by: any temperature
; Degrees Fahrenheit to degrees Celsius.

section .text
global _start
global celsius

; rdi: degrees Fahrenheit, signed
; returns rax: (rdi - 32) * 5 / 9, cut towards zero
celsius:
    sub rdi, 32
    imul eax, edi, 5
    cdq
    mov ecx, 9
    idiv ecx
    cdqe
    ret

_start:
    mov edi, 212
    call celsius
    mov rdi, rax
    mov eax, 60
    syscall
