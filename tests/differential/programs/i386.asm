; i386: brk, a handler with the old sigaction, kill, nanosleep, mmap2, the map of the process, then a fault
section .data
p: db "/proc/self/maps",0
ts: dd 0, 1000000
section .bss
b: resb 8192
section .text
global _start
h: ; handler(sig)
 mov eax, 4
 mov ebx, 1
 push dword 0x0a796568
 mov ecx, esp
 mov edx, 4
 int 0x80
 add esp,4
 ret
act: dd h, 0, 0, 0
_start:
 mov eax,45
 xor ebx,ebx
 int 0x80
 lea ebx,[eax+5000]
 mov eax,45
 int 0x80
 ; sigaction(SIGUSR1=10)
 mov eax, 67
 mov ebx, 10
 mov ecx, act
 xor edx, edx
 int 0x80
 mov eax, 20
 int 0x80
 mov ebx, eax
 mov ecx, 10
 mov eax, 37
 int 0x80
 mov eax, 162
 mov ebx, ts
 xor ecx, ecx
 int 0x80
 ; mmap2
 mov eax, 192
 xor ebx, ebx
 mov ecx, 4096
 mov edx, 3
 mov esi, 0x22
 mov edi, -1
 push ebp
 xor ebp, ebp
 int 0x80
 pop ebp
 mov eax, 5
 mov ebx, p
 xor ecx, ecx
 int 0x80
 mov esi, eax
.l: mov eax,3
 mov ebx, esi
 mov ecx, b
 mov edx, 8192
 int 0x80
 test eax,eax
 jle .d
 mov edx,eax
 mov eax,4
 mov ebx,1
 mov ecx,b
 int 0x80
 jmp .l
.d: mov eax, [0]
