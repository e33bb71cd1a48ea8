global _start, value:data 4
section .text
_start: mov eax,1
 xor ebx,ebx
 int 0x80
section .data
value: dd 1
where: dd value, _start
