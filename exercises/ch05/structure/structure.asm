; structure: find the best student.

struc Student
    ; TODO
endstruc

section .data
global one
one:
    ; TODO: istruc Student ... iend

section .text
global _start
global best

; rdi: array of Student, rsi: how many
; returns rax: address of the one with the most points, or 0
best:
    ; TODO
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
