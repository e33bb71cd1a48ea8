; smaller_stack: lower the limit of the stack, then reach it.

SIZE equ 256 * 1024

section .bss
global limits
limits: resq 2                  ; struct rlimit: the soft limit, the hard limit

section .text
global _start
global deeper

_start:
    ; TODO 1: getrlimit(3, limits)
    ; TODO 2: the soft limit is the first quadword: SIZE; setrlimit(3, limits)

    xor ebx, ebx                ; how deep
deeper:
    ; TODO 3: take 4088 bytes of stack, count in rbx, call deeper

    mov eax, 60
    xor edi, edi
    syscall
