; no mode flags
; caught by: the second line is in the file
; Send one line elsewhere.

section .rodata
name: db "middle.txt", 0
lines: db "first", 10, "second", 10, "third", 10

section .text
global _start

_start:
    mov rsi, lines
    mov edx, 6
    call say

    mov eax, 32                 ; dup: a copy of descriptor 1
    mov edi, 1
    syscall
    mov r12, rax

    mov eax, 2                  ; open
    mov rdi, name
    mov esi, 1
    mov edx, 0o644
    syscall

    mov rdi, rax
    mov eax, 33                 ; dup2
    mov esi, 1
    syscall

    mov rsi, lines + 6
    mov edx, 7
    call say

    mov eax, 33                 ; dup2: back again
    mov rdi, r12
    mov esi, 1
    syscall

    mov rsi, lines + 13
    mov edx, 6
    call say

    mov eax, 60
    xor edi, edi
    syscall

; rsi: address, rdx: length
say:
    mov eax, 1
    mov edi, 1
    syscall
    ret
