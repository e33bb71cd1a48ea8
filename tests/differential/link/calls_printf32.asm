global _start
extern printf, exit, stdout
section .text
_start: push text
 call printf
 push dword [stdout]
 push 0
 call exit
section .rodata
text: db "hello",10,0
