; number_automaton: accept numbers.

section .text
global _start
global is_number

; rdi: address of a string that ends with a zero byte
; returns rax: 1 if it is a number, else 0
is_number:
    ; TODO: a label for each state
    xor eax, eax
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
