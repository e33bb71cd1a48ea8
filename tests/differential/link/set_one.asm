global _start
extern __start_plugins, __stop_plugins
section .text
_start: mov rax, __start_plugins
 mov rbx, __stop_plugins
 sub rbx, rax
 mov edi, ebx
 mov eax, 60
 syscall
section plugins write
 dq 1
