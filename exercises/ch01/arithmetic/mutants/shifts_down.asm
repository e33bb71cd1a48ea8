; shifts down
; caught by: boiling water
; Degrees Fahrenheit to degrees Celsius.

section .text
global _start
global celsius

; rdi: degrees Fahrenheit, signed
; returns rax: (rdi - 32) * 5 / 9, cut towards zero
celsius:
    sub rdi, 32
    imul rax, rdi, 5
    sar rax, 3                  ; 8 is nearly 9
    ret

_start:
    mov edi, 212
    call celsius
    mov rdi, rax
    mov eax, 60
    syscall
