global _start
common shared_table 40:16
common small 4
common bytes 3:1
extern fill
section .text
_start: call fill
 mov eax, [shared_table]
 mov edi, eax
 mov eax, 60
 int 0x80
