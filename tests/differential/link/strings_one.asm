global _start
extern second
section .rodata.str merge strings byte align=1
hello: db "hello world",0
world: db "world",0
x: db "d",0
section .text
_start: lea rsi, [rel second]
 mov rax, hello
 mov rbx, world
 mov rcx, x
 mov eax, 60
 syscall
