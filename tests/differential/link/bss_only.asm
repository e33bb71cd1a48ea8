section .text
nop
section .bss
resb 5
