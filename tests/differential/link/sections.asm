global _start, dd1
section .data
dd1: 
section .text
_start: mov eax,1
l2:
section .bss
b: 
section .rodata
r:
section zz write
zl:
section .tdata
q: dq 4
section .tbss
t: resb 3
section .init_array
dq _start
section .note.x note alloc
dd 4,4,1,"GNU",0
section .cm noalloc
db "hi"
