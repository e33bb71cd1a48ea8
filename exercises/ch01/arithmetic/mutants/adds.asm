; adds
; caught by: boiling water
; Degrees Fahrenheit to degrees Celsius.

section .text
global _start
global celsius

; rdi: degrees Fahrenheit, signed
; returns rax: (rdi - 32) * 5 / 9, cut towards zero
celsius:
    add rdi, 32
    imul rax, rdi, 5
    cqo                         ; the sign of rax into all of rdx
    mov ecx, 9
    idiv rcx
    ret

_start:
    mov edi, 212
    call celsius
    mov rdi, rax
    mov eax, 60
    syscall
