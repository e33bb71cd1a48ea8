section .note.one note alloc align=4
dd 4,0,1,"GNU"
section .note.two note alloc align=8
dd 4,0,1,"GNU"
section .note.three note alloc align=4
dd 4,0,1,"GNU"
section .note.four note alloc align=16
dd 4,0,1,"GNU"
