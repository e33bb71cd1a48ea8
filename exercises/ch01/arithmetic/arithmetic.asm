; arithmetic: degrees Fahrenheit to degrees Celsius.

section .text
global _start
global celsius

; rdi: degrees Fahrenheit, signed
; returns rax: (rdi - 32) * 5 / 9, cut towards zero
celsius:
    ; TODO
    ret

_start:                         ; try it: 212 degrees Fahrenheit are 100 degrees Celsius
    mov edi, 212
    call celsius
    mov rdi, rax
    mov eax, 60
    syscall
