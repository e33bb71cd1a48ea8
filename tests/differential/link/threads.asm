global _start, tls_global
section .tdata
tls_local: dd 1
tls_global: dq 2
section .tbss align=32
tls_zero: resq 5
section .text
_start: mov rax, [fs:0]
 add rcx, [rel tls_global wrt ..gottpoff]
 add rsp, [rel tls_global wrt ..gottpoff]
 mov eax, 60
 syscall
