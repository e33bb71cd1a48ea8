; enough names to make ld's symbol table grow and to meet in its buckets
global _start
section .text
_start: mov eax, 60
 syscall
%assign i 0
%rep 3500
%xdefine name symbol_ %+ i
global name
name: nop
%assign i i+1
%endrep
