; map_reverse: reverse a file in place.
SYS_open  equ 2
SYS_fstat equ 5
SYS_mmap  equ 9
SYS_exit  equ 60
ST_SIZE   equ 48                ; where struct stat keeps the file's size

section .rodata
name: db "palindrome.txt", 0

section .bss
status: resb 144                ; struct stat

section .text
global _start

_start:
    ; TODO: open with O_RDWR, fstat, mmap shared and writable
    ; TODO: swap the first with the last byte, the second with the last but one, …

    mov eax, SYS_exit
    xor edi, edi
    syscall
