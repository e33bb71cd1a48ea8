section .rodata
 db "just bytes"
