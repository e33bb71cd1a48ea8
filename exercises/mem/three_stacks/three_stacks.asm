; three_stacks: a thread and a signal handler, each with a stack of its own.

PAGE equ 4096
SIZE equ 16384

section .data
other:  dq 0, 0, 0              ; for sigaltstack: lowest address, flags, size
action: dq 0, 0, 0, 0           ; for rt_sigaction: handler, flags, restorer, mask

section .bss
alignb 16
global room
room:          resb SIZE
main_stack:    resq 1
handler_stack: resq 1
thread_stack:  resq 1

section .text
global _start
global thread
global handler

_start:
    ; TODO 1: store rsp in main_stack
    ; TODO 2: sigaltstack(other, 0); rt_sigaction(10, action, 0, 8); kill(getpid(), 10)
    ; TODO 3: mmap four pages for the thread's stack
    ; TODO 4: clone(0x100 | 17, the address above them, 0, 0, 0); with rax = 0 go to thread
    ; TODO 5: the parent: wait4(the thread, 0, 0, 0), exit(0)

    mov eax, 60
    mov edi, 1
    syscall

thread:
    ; TODO: store rsp in thread_stack, exit(0)
    mov eax, 60
    mov edi, 1
    syscall

handler:
    ; TODO: store rsp in handler_stack
    ret

restorer:                       ; where a handler returns to: it ends the signal
    mov eax, 15
    syscall
