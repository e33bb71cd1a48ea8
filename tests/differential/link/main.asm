global _start
extern sum, cnt
section .text
_start: mov edi,2
 mov esi,3
 call sum wrt ..plt
 mov rcx,[rel cnt wrt ..got]
 add eax,[rcx]
 mov edi,eax
 mov eax,60
 syscall
section .data
dq x
x: dq 0
