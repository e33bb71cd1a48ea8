; A program whose map has the areas that were asked for.

SYS_brk   equ 12
SYS_exit  equ 60

section .rodata
constant: db "never changes"

section .data
variable: db "may change"

section .bss
room: resb 20000

section .text
global _start

_start:
    mov eax, SYS_brk
    xor edi, edi
    syscall
    lea rdi, [rax + 3 * 4096]
    mov eax, SYS_brk
    syscall

    mov eax, SYS_exit
    xor edi, edi
    syscall
