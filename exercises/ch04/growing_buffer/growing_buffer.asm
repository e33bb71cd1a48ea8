; growing_buffer: read everything into a buffer that grows, then write it.
SYS_read   equ 0
SYS_write  equ 1
SYS_mmap   equ 9
SYS_mremap equ 25
SYS_exit   equ 60

PAGE equ 4096
MREMAP_MAYMOVE equ 1

section .text
global _start

_start:
    ; TODO: mmap one page
    ; TODO: read(0, behind what is there, what is free) until 0 comes; when the buffer is full, mremap to twice its size
    ; TODO: write(1, buffer, all)

    mov eax, SYS_exit
    xor edi, edi
    syscall
