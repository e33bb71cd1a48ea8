global sum:function (sum.end-sum)
global cnt:data 4
extern puts2
section .text
sum: mov rax,[rel cnt wrt ..got]
 inc dword [rax]
 lea rax,[rdi+rsi]
 lea rdx,[rel loc]
 call inner wrt ..plt
 ret
.end:
global inner:function
global hid:function hidden
section .text2 exec
hid:
inner: ret
section .data
cnt: dd 0
align 8
ptr: dq loc
pg: dq inner
section .rodata
loc: db "x"
