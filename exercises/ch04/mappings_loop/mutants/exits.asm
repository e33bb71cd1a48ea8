; caught by: keeps running until somebody ends it
; Ends at once instead of looping.
section .data
number: dq 42

section .text
global _start
_start:
    mov eax, 60                 ; exit at once: no time to look at the map
    xor edi, edi
    syscall
