; subregisters: pack four bytes into one number.

section .text
global _start
global pack

; rdi, rsi, rdx, rcx: four numbers of which only the lowest byte counts
; returns rax: the bytes from the lowest to the highest
pack:
    ; TODO
    ret

_start:                         ; try it: the status is the lowest byte of the result
    mov edi, 1
    mov esi, 2
    mov edx, 3
    mov ecx, 4
    call pack
    mov rdi, rax
    mov eax, 60
    syscall
