global _start
global hook:function weak
extern other_hook:weak
section .text
_start: call hook
 mov eax, other_hook
 test eax, eax
 jz .none
 call eax
.none: mov edi, eax
 mov eax, 60
 syscall
hook: mov eax, 3
 ret
