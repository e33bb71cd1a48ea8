; doubles the result
; caught by: applies a function twice
; Apply a function to its own result.

section .text
global _start
global twice
global three_more
global hostile_double

; rdi: address of a function, rsi: a number
; returns rax: f(f(number))
twice:
    push rbx                    ; also aligns the stack
    mov rbx, rdi
    mov rdi, rsi
    call rbx
    add rax, rax
    pop rbx
    ret

three_more:
    lea rax, [rdi + 3]
    ret

hostile_double:
    lea rax, [rdi + rdi]
    mov rcx, -1
    mov rdx, -1
    mov rsi, -1
    mov rdi, -1
    mov r8, -1
    mov r9, -1
    mov r10, -1
    mov r11, -1
    ret

_start:
    mov rdi, three_more
    mov esi, 10
    call twice
    mov rdi, rax
    mov eax, 60
    syscall
