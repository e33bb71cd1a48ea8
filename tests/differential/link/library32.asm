global sum:function (sum.end-sum)
global cnt:data 4
extern _GLOBAL_OFFSET_TABLE_
section .text
sum: push ebx
 call .here
.here: pop ebx
 add ebx,_GLOBAL_OFFSET_TABLE_+$$-.here wrt ..gotpc
 mov eax,[ebx+cnt wrt ..got]
 inc dword [eax]
 lea edx,[ebx+loc wrt ..gotoff]
 mov eax,[esp+8]
 add eax,[esp+12]
 call inner wrt ..plt
 pop ebx
 ret
.end:
global inner:function
global hid:function hidden
section .text2 exec
hid:
inner: ret
section .data
cnt: dd 0
address: dd loc
pg: dd inner
section .rodata
loc: db "x"
