; fixed length
; caught by: prints three lines
; Print strings with a macro.

%macro print 1
section .rodata
%%text: db %1
%%length equ $ - %%text
section .text
    mov eax, 1
    mov edi, 1
    mov rsi, %%text
    mov edx, 4
    syscall
%endmacro

section .text
global _start

_start:
    print `one\n`
    print `two\n`
    print `three\n`

    mov eax, 60
    xor edi, edi
    syscall
