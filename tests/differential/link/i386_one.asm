global _start, foo
extern bar, v
section .text
_start: mov eax,[v]
 call bar
 call foo
 mov eax, msg
 mov ebx, [esi+msg]
 mov eax,1
 int 0x80
foo: dd foo wrt ..sym
 db 0
section .data
msg: db "hi",10
 dd msg, bar
section .bss
b: resb 33
section .rodata
r: dd r
section .tdata
t1: dd 3
