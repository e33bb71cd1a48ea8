; new_image: what execve throws away, and what it keeps.

A    equ 0x10000000
PAGE equ 4096

section .rodata
again: db "again", 0
text:  db "still open", 10
length equ $ - text

section .bss
arguments: resq 3
vector:    resb 1

section .text
global _start

_start:
    cmp qword [rsp], 2
    jae second
    ; TODO 1: grow the heap by a page; mmap a page at A, store a byte in it
    ; TODO 2: dup2(1, 7)
    ; TODO 3: execve([rsp + 8], arguments: [rsp + 8], again, 0; rsp + 24)

second:
    ; TODO 4: write(7, text, length)
    ; TODO 5: mincore(A, PAGE, vector); exit(error number)

    mov eax, 60
    mov edi, 1
    syscall
