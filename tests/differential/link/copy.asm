global _start
extern sum, cnt
section .text
_start: mov edi,2
 mov esi,3
 call sum
 add eax,[rel cnt]
 add eax,[cnt]
 mov edi,eax
 mov eax,60
 syscall
section .data
dq sum
dq cnt
