global two
section .text
two: mov eax, 2
 ret
section .data
 db 1
