; caught by: the page holds constants, not code
; The text lies with the code: not writable either, but not .rodata.
section .rodata
other: db "constant", 10

section .text
global _start
_start:
greeting:
    mov byte [greeting], 'C'    ; the page of the code is not writable either, but it is no constant
    mov eax, 60
    xor edi, edi
    syscall
