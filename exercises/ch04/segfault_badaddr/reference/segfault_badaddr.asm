; Read the byte just below the program's image.

section .text
global _start

_start:
    mov al, [0x400000 - 1]      ; no area holds this address: the kernel sends SIGSEGV

    mov eax, 60
    xor edi, edi
    syscall
