; segfault_readonly: write to a byte that may only be read.

section .rodata
greeting: db "constant", 10     ; a page with rights r--

section .text
global _start

_start:
    ; TODO: store any value into the byte at greeting

    mov eax, 60                 ; exit(0): a correct solution never comes here
    xor edi, edi
    syscall
