; caught by: may run its code but not change it
; The code may be changed while it runs.
section .data
number: dq 42

section .code progbits alloc exec write
global _start
_start:
    jmp _start
