; Succeed if there are exactly two arguments.

section .text
global _start

_start:
    xor edi, edi
    cmp qword [rsp], 3          ; the program's name counts
    setne dil

    mov eax, 60
    syscall
