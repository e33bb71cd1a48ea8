global _start
section zcode exec align=8
 ret
section zdata write align=8
 dq 1
section zconst
 db 2
section zbss nobits write alloc
 resb 9
section ztls tls write
 dd 3
section znote note alloc align=4
 dd 4, 4, 1
 db "GNU",0
 dd 0
section zplain noalloc noexec nowrite
 db "text"
section .debug_mine noalloc noexec nowrite
 db 1, 2, 3
section .text
_start: mov eax, 60
 syscall
section .comment
 db "made by hand",0
section .ldata
 dq 1
section .lrodata
 dq 2
section .lbss
 resq 3
section .data1 write
 db 1
section .rodata1
 db 1
