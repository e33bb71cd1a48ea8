; mappings_self: a program that prints its own memory map.

SYS_read  equ 0
SYS_write equ 1
SYS_open  equ 2
SYS_exit  equ 60

SIZE      equ 512               ; bytes of the buffer: the map is longer than that

section .rodata
name: db "/proc/self/maps", 0

section .bss
buffer: resb SIZE

section .text
global _start

_start:
    ; TODO 1: open(name, 0, 0)
    ; TODO 2: read(descriptor, buffer, SIZE) returns how many bytes came, 0 at the end
    ; TODO 3: write(1, buffer, that many)
    ; TODO 4: again from 2, until read returns 0

    mov eax, SYS_exit
    xor edi, edi
    syscall
