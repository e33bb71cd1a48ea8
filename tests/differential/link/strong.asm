global hook:function
global other_hook
section .text
 nop
hook: mov eax, 9
 ret
other_hook: ret
