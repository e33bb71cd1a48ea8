; caught by: keeps running until somebody ends it
; Takes the number for an address, and dies of it.
section .data
number: dq 42

section .text
global _start
_start:
    mov rax, [number]
    mov rax, [rax]              ; 42 is a number, not an address
    jmp _start
