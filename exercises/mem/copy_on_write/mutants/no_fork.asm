; no fork
; caught by: with fork and wait
section .data
number: dd 5
section .text
global _start
_start:
    mov edi, 90
    mov [rsp - 8], edi
    add edi, [number]
    mov eax, 60
    syscall
