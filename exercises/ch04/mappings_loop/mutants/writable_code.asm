; caught by: may run its code but not change it
section .data
number: dq 42

section .code progbits alloc exec write
global _start
_start:
    jmp _start
