; caught by: dies of a segmentation fault
section .text
global _start
_start:
    mov eax, 60
    mov edi, 139                ; the number a shell shows, but nobody was killed
    syscall
