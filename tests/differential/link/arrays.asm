global _start
extern __init_array_start, __init_array_end, __preinit_array_start, __fini_array_end, _edata, end, etext, __executable_start
section .text
_start: mov rbx, __init_array_start
.next: cmp rbx, __init_array_end
 jae .done
 call [rbx]
 add rbx, 8
 jmp .next
.done: mov rcx, _edata
 mov rcx, end
 mov rcx, etext
 mov rcx, __executable_start
 mov rcx, __preinit_array_start
 mov rcx, __fini_array_end
 mov edi, eax
 mov eax, 60
 syscall
one: mov eax, 1
 ret
section .init_array write
 dq one
section .fini_array write
 dq one
section .init_array.00010 init_array write align=8
 dq one
section .init_array.00005 init_array write align=8
 dq one
section .ctors.65500 write align=8
 dq one
