global _start
section .text
_start: ret
section .rodata
 times 16 db 1
