global _start:function (_start.end-_start)
global table:data (table_end-table)
global secret:function hidden
global guarded:data protected
global inside:internal
section .text
_start: mov al, small
 mov ax, number
 mov eax, [table]
 mov rax, table
 mov eax, 60
 syscall
.end:
secret: ret
inside: ret
section .data
table: dq table, secret, guarded
table_end:
guarded: dd 1
 dd guarded - $
 dw number
small equ 5
number equ 0x1234
