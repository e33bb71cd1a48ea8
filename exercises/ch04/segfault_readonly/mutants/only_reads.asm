; caught by: dies of a segmentation fault
; Reads the byte instead of writing it.
section .rodata
greeting: db "constant", 10

section .text
global _start
_start:
    mov al, [greeting]          ; reading is allowed
    mov eax, 60
    xor edi, edi
    syscall
