; counts in r11
; caught by: writes three times
; A loop around a system call.

section .data
text: db "again ", 0

section .text
global _start
global repeat

; rdi: address, rsi: length, rdx: how often
; returns rax: bytes written in total
repeat:
    push rbx
    push r12
    mov r11, rdx
    xor r12d, r12d              ; the total
    mov rdx, rsi
    mov rsi, rdi
.next:
    test r11, r11
    jz .done
    mov eax, 1
    mov edi, 1
    syscall
    add r12, rax
    dec r11
    jmp .next
.done:
    mov rax, r12
    pop r12
    pop rbx
    ret

_start:
    mov rdi, text
    mov esi, 6
    mov edx, 3
    call repeat
    mov rdi, rax
    mov eax, 60
    syscall
