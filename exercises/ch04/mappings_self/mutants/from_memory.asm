; caught by: prints its whole map
; Prints a map that was true once, on another machine.
section .rodata
text: db "00400000-00401000 r--p 00000000 08:01 305009                             /home/student/mappings_self", 10
      db "00401000-00402000 r-xp 00001000 08:01 305009                             /home/student/mappings_self", 10
      db "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]", 10
length equ $ - text
section .text
global _start
_start:
    mov eax, 1
    mov edi, 1
    mov esi, text
    mov edx, length
    syscall
    mov eax, 60
    xor edi, edi
    syscall
