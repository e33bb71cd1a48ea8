; no wait
; caught by: the parent waits
; A thread with a stack of its own.

PAGE equ 4096

section .bss
main_stack:   resq 1
thread_stack: resq 1

section .text
global _start
global thread

_start:
    mov eax, 9                  ; mmap
    xor edi, edi
    mov esi, 4 * PAGE
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 0x20022           ; MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK
    mov r8, -1
    xor r9d, r9d
    syscall

    lea rsi, [rax + 4 * PAGE]   ; stacks grow downwards
    mov eax, 56                 ; clone
    mov edi, 0x100 | 17         ; CLONE_VM | SIGCHLD
    xor edx, edx
    xor r10d, r10d
    xor r8d, r8d
    syscall
    test eax, eax
    jz thread

    mov [main_stack], rsp
.spin:
    cmp qword [thread_stack], 0
    je .spin
    mov eax, 60
    xor edi, edi
    syscall

thread:
    mov [thread_stack], rsp
    mov eax, 60
    xor edi, edi
    syscall
