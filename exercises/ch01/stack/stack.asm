; stack: reverse an array by pushing and popping.

section .data
array: dq 1, 2, 3

section .text
global _start
global reverse

; rdi: address of quadwords, rsi: how many
reverse:
    ; TODO
    ret

_start:                         ; try it: the status is the new first element
    mov edi, array
    mov esi, 3
    call reverse
    mov rdi, [array]
    mov eax, 60
    syscall
