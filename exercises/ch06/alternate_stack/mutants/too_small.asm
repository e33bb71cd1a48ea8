; too small
; caught by: says that the stack overflowed
; Say what happened when the stack is full.

SYS_rt_sigaction equ 13
SYS_rt_sigreturn equ 15
SYS_sigaltstack  equ 131

SA_SIGINFO  equ 4
SA_ONSTACK  equ 0x08000000
SA_RESTORER equ 0x04000000

SIZE equ 16384

section .rodata
message: db "stack overflow", 10
message_length equ $ - message

section .data
action:  dq handler, SA_ONSTACK | SA_RESTORER, restorer, 0
another: dq room, 0, 512

section .bss
alignb 16
global room
room: resb SIZE

section .text
global _start

_start:
    mov eax, SYS_sigaltstack
    mov rdi, another
    xor esi, esi
    syscall

    mov eax, SYS_rt_sigaction
    mov edi, 11                 ; SIGSEGV
    mov rsi, action
    xor edx, edx
    mov r10d, 8
    syscall

recurse:
    call recurse

handler:
    mov eax, 1
    mov edi, 2
    mov rsi, message
    mov edx, message_length
    syscall
    mov eax, 60
    mov edi, 3
    syscall

restorer:                       ; where a handler returns to: it ends the signal
    mov eax, SYS_rt_sigreturn
    syscall
