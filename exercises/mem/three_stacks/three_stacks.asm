; three_stacks: a thread with a stack of its own.

PAGE equ 4096

section .bss
main_stack:   resq 1
thread_stack: resq 1

section .text
global _start
global thread

_start:
    ; TODO: mmap four pages for the stack
    ; TODO: clone(0x100 | 17, the address above them, 0, 0, 0); with rax = 0 go to thread
    ; TODO: the parent: store rsp in main_stack, wait4, exit(0)

    mov eax, 60
    mov edi, 1
    syscall

thread:
    ; TODO: store rsp in thread_stack, exit(0)
    mov eax, 60
    xor edi, edi
    syscall
