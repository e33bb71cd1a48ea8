global _start
section .data
m: db "hi",10
section .text
_start: mov eax,1
 mov rsi, m
 lea rdi,[rel m]
 mov edx,[rel b]
 syscall
.x: jmp .x
section .bss
b: resb 100
section .rodata
r: dq 1
