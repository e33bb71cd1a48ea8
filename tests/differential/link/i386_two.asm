global bar, v
section .text
bar: mov eax,[gs:0]
 ret
section .data
v: dd v
dd bar - $
