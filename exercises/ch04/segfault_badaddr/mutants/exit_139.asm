; caught by: dies of a segmentation fault
; Ends by itself with the status that a shell would show.
section .text
global _start
_start:
    mov eax, 60
    mov edi, 139                ; the number a shell shows, but nobody was killed
    syscall
