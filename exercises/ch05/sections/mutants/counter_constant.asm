; counter constant
; caught by: still does the same
; Each thing in its section.

section .rodata
greeting: db "primes below 20: ", 0
greeting_length equ $ - greeting - 1
primes:   db 2, 3, 5, 7, 11, 13, 17, 19

counter:  dq 8

section .bss
buffer:   resb 4096

section .text
global _start

_start:
    mov eax, 1
    mov edi, 1
    mov rsi, greeting
    mov edx, greeting_length
    syscall

    xor ecx, ecx                ; copy the primes as characters into the buffer
.next:
    movzx eax, byte [primes + rcx]
    add eax, '0'                ; 11 becomes ';', but that is how it is
    mov [buffer + rcx], al
    inc ecx
    dec qword [counter]
    jnz .next

    mov byte [buffer + rcx], 10
    inc ecx
    mov edx, ecx
    mov eax, 1
    mov edi, 1
    mov rsi, buffer
    syscall

    mov eax, 60
    xor edi, edi
    syscall
