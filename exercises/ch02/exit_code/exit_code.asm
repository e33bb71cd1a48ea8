; exit_code: succeed if there are exactly two arguments.

section .text
global _start

_start:
    ; TODO: compare the number at [rsp] with 3; choose 0 or 1 as the status

    mov edi, 2
    mov eax, 60
    syscall
