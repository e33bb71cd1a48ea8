; segfault_badaddr: read the byte just below the program's image.
;
; The image of this program begins at address 0x400000. Nothing is mapped below it.

section .text
global _start

_start:
    ; TODO: read one byte from the address 0x3fffff into al

    mov eax, 60                 ; exit(0): a correct solution never comes here
    xor edi, edi
    syscall
