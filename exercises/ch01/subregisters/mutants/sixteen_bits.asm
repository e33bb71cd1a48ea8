; sixteen bits
; caught by: packs four small numbers
; Pack four bytes into one number.

section .text
global _start
global pack

; rdi, rsi, rdx, rcx: four numbers of which only the lowest byte counts
; returns rax: the bytes from the lowest to the highest
pack:
    movzx eax, cl               ; clears the rest of rax
    shl eax, 8
    mov ax, dx                  ; changes the lowest byte alone
    shl eax, 8
    mov al, sil
    shl eax, 8
    mov al, dil
    ret

_start:
    mov edi, 1
    mov esi, 2
    mov edx, 3
    mov ecx, 4
    call pack
    mov rdi, rax
    mov eax, 60
    syscall
