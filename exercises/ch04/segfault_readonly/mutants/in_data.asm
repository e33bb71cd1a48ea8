; caught by: dies of a segmentation fault
; The text lies in .data, where it may be changed.
section .data
greeting: db "constant", 10     ; .data may be written

section .text
global _start
_start:
    mov byte [greeting], 'C'
    mov eax, 60
    xor edi, edi
    syscall
