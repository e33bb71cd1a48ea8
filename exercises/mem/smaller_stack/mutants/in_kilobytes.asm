; caught by: sets the soft limit, and that alone
; ulimit counts in KiB, setrlimit in bytes.
; smaller_stack: lower the limit of the stack, then reach it.

SIZE equ 256 * 1024

section .bss
global limits
limits: resq 2                  ; struct rlimit: the soft limit, the hard limit

section .text
global _start
global deeper

_start:
    mov eax, 97                 ; getrlimit
    mov edi, 3                  ; RLIMIT_STACK
    mov rsi, limits
    syscall

    mov qword [limits], 256    ; the hard limit stays

    mov eax, 160                ; setrlimit
    mov edi, 3
    mov rsi, limits
    syscall

    xor ebx, ebx                ; how deep
deeper:
    sub rsp, 4088
    inc rbx
    call deeper
