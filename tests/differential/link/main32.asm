global _start
extern sum, cnt, _GLOBAL_OFFSET_TABLE_
section .text
_start: call .here
.here: pop ebx
 add ebx,_GLOBAL_OFFSET_TABLE_+$$-.here wrt ..gotpc
 push 3
 push 2
 call sum wrt ..plt
 mov ecx,[ebx+cnt wrt ..got]
 add eax,[ecx]
 mov ebx,eax
 mov eax,1
 int 0x80
section .data
dd x
x: dd 0
