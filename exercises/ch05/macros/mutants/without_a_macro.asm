; without a macro
; caught by: with a macro that is used three times
section .rodata
text: db `one\ntwo\nthree\n`
length equ $ - text
section .text
global _start
_start:
    mov eax, 1
    mov edi, 1
    mov rsi, text
    mov edx, length
    syscall
    mov eax, 60
    xor edi, edi
    syscall
