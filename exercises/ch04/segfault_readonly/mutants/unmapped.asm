; caught by: writes to a page that is mapped but not writable
; Writes to an address that nobody owns.
section .rodata
greeting: db "constant", 10

section .text
global _start
_start:
    mov byte [0], 'C'           ; no area at all: another reason to be killed
    mov eax, 60
    xor edi, edi
    syscall
