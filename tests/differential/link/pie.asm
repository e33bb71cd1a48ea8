global _start
extern sum, cnt
default rel
section .text
_start: mov edi,2
 mov esi,3
 call sum wrt ..plt
 mov rcx,[rel cnt wrt ..got]
 add eax,[rcx]
 mov rdx,[p]
 add eax,[rdx]
 mov edi,eax
 mov eax,60
 syscall
section .data
p: dq x
x: dq 1
pp: dq cnt
