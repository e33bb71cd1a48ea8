global fill
common shared_table 64:8
common other 8:8
section .text
fill: mov dword [shared_table], 42
 mov dword [other], 1
 ret
