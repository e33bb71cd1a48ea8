global _start
section .text
_start: mov eax, 60
 syscall
section .note.GNU-stack noalloc noexec nowrite progbits
