global _start
extern cnt, sum
section .text
_start: mov eax,[cnt]
 mov ecx,sum
 push 1
 push 2
 call sum
 mov ebx,eax
 mov eax,1
 int 0x80
