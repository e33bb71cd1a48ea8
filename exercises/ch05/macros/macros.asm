; macros: print strings with a macro.

%macro print 1
    ; TODO: section .rodata; the string with a label of its own; its length; section .text; write(1, the label, the length)
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
