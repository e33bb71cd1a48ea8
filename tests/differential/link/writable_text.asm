global _start
section .text write
_start: ret
section .text.foo exec write
 nop
 section mycode exec write
 nop
section .init exec write
nop
