global main, _start
extern printf, exit, stdout, environ
section .data
fmt: db "n=%d",10,0
section .text
_start: sub rsp,8
 and rsp,-16
 mov rdi, fmt
 mov esi, 7
 xor eax,eax
 call printf
 mov rax,[stdout]
 mov edi,3
 call exit
