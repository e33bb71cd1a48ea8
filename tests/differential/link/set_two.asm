section plugins write
 dq 2, 3
section .text
 nop
