global _start
section .text align=64
_start: mov eax, 60
 xor edi, edi
 syscall
 nop
section .data align=256
 db 1
section .rodata align=32
 db 2
section .bss align=4096
 resb 5
section .text.hot exec align=32
 ret
section .text.unlikely exec align=1
 ret
section .text.startup exec
 ret
section .text.exit exec
 nop
