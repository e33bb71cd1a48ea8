; skips empty ones
; caught by: prints any arguments
; Each argument on a line of its own.

section .data
newline: db 10

section .text
global _start

_start:
    lea rbx, [rsp + 16]         ; behind argc and the program's name
.next:
    mov rsi, [rbx]
    test rsi, rsi
    jz .done

    xor edx, edx
.measure:
    cmp byte [rsi + rdx], 0
    je .write
    inc rdx
    jmp .measure
.write:
    test rdx, rdx
    jz .empty
    mov eax, 1
    mov edi, 1
    syscall

    mov eax, 1
    mov edi, 1
    mov rsi, newline
    mov edx, 1
    syscall

.empty:
    add rbx, 8
    jmp .next

.done:
    mov eax, 60
    xor edi, edi
    syscall
