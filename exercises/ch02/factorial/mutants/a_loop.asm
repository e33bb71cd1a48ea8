; a loop
; caught by: calls itself
; By recursion.

section .text
global _start
global factorial

; rdi: n, 0 to 20
; returns rax: n!
factorial:
    mov eax, 1
.next:
    test rdi, rdi
    jz .done
    imul rax, rdi
    dec rdi
    jmp .next
.done:
    ret

_start:
    mov edi, 5
    call factorial
    mov rdi, rax
    mov eax, 60
    syscall
