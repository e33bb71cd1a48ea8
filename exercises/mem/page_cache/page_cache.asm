; page_cache: a mapping and a descriptor see the same page.

section .rodata
name: db "data.bin", 0
map_text:  db "MAP "
file_text: db "FILE"

section .bss
seen: resb 8

section .text
global _start

_start:
    ; TODO

    mov eax, 60
    mov edi, 1
    syscall
