global _start
default rel
section .text
_start: lea rax,[x]
mov rdx,[p]
mov edi,[rdx]
mov eax,60
syscall
section .data
p: dq x
x: dq 7
section .bss
resb 100
