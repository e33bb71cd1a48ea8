section .rodata.cst merge qword align=8
 dq 3, 4, 1
section .rodata.cst4 merge dword align=4
 dd 1, 1, 2
