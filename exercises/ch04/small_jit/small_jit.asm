; small_jit: make code at run time, never writable and executable at once.
SYS_mmap     equ 9
SYS_mprotect equ 10
SYS_exit     equ 60

PAGE equ 4096

section .rodata
; mov eax, edi; add eax, edi; ret: a function that doubles its argument
code: db 0x89, 0xf8, 0x01, 0xf8, 0xc3
code_length equ $ - code

section .text
global _start

_start:
    ; TODO: mmap a page rw-; copy code_length bytes from code to it
    ; TODO: mprotect it to r-x (PROT_READ | PROT_EXEC = 5); call it with edi = 21

    mov edi, 0
    mov eax, SYS_exit
    syscall
