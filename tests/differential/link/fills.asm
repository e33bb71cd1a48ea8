section .text align=128
 nop
 nop
 ret
section .data align=2
 db 1
