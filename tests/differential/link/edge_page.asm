global _start
section .text
_start: mov eax, 60
 syscall
section .rodata
 times 4090 db 1
section .data
 times 3000 db 2
section .bss
 resb 3000
