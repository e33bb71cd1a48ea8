; handler: count signals.

SYS_rt_sigaction equ 13
SYS_rt_sigreturn equ 15
SYS_sigaltstack  equ 131

SA_SIGINFO  equ 4
SA_ONSTACK  equ 0x08000000
SA_RESTORER equ 0x04000000

section .data
action: dq 0, 0, 0, 0           ; handler, flags, restorer, mask

section .bss
counter: resd 1

section .text
global _start

_start:
    ; TODO: fill `action`; rt_sigaction(10, action, 0, 8)
    ; TODO: five times kill(getpid(), 10)

    mov edi, [counter]
    mov eax, 60
    syscall

handler:
    ; TODO: count
    ret

restorer:                       ; where a handler returns to: it ends the signal
    mov eax, SYS_rt_sigreturn
    syscall
