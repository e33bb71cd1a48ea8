global _start
global dat:data
extern ex
section .text
_start: 
%ifidn __OUTPUT_FORMAT__, elf32
 mov ebx, $$
 mov eax,[ebx+dat wrt ..got]
 add eax,[ebx+dat wrt ..got]
 mov eax,[dat wrt ..got]
 lea eax,[ebx+dat wrt ..gotoff]
 add ebx, $$+_start-$ wrt ..gotpc
 mov eax,[tv wrt ..tlsie]
 mov eax, ex
%else
 mov rax,[rel dat wrt ..got]
 add rax,[rel dat wrt ..got]
 mov r9,[rel dat wrt ..gotpc]
 mov r9,[rel tv wrt ..gottpoff]
 add r12,[rel tv wrt ..gottpoff]
 add rcx,[rel tv wrt ..gottpoff]
 mov rax, dat wrt ..gotoff

 call fn wrt ..plt
 mov eax, ex
 mov rax, dat wrt ..sym
%endif
section .text
global fn:function
fn2:
section .tx exec
fn: ret
section .data
dat: dd 1
section .tdata
global tv
tv: dd 5
dd 4
section .tbss
resd 3
section .bss
