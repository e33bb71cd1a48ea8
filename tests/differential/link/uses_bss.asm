global _start
extern bv
section .text
_start: mov eax,[bv]
foo equ 5
global glabs
glabs equ 77
mov eax, [foo]
