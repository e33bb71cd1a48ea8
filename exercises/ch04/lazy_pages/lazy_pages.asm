; lazy_pages: memory that is promised and memory that is there.
SYS_mmap    equ 9
SYS_mincore equ 27
SYS_exit    equ 60

PAGE  equ 4096
PAGES equ 16

section .bss
vector: resb PAGES

section .text
global _start

_start:
    ; TODO: mmap PAGES pages; touch pages 0, 5 and 15
    ; TODO: mincore(address, PAGES * PAGE, vector); count the bytes whose lowest bit is 1

    mov eax, SYS_exit
    xor edi, edi
    syscall
