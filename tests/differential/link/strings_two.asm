global second
section .rodata.str merge strings byte align=1
again: db "world",0
more: db "new world",0
section .rodata.cst merge qword align=8
 dq 1, 2, 1, 3, 2
section .data
second: dq again, more
