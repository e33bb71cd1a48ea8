section .text
 nop
section .note.GNU-stack noalloc exec nowrite progbits
