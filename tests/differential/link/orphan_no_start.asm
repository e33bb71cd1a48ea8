section .text
nop
section .note.GNU-stack
section foo
dd 1
section .data
