; alternate_stack: say what happened when the stack is full.

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
action:  dq 0, 0, 0, 0          ; handler, flags, restorer, mask
another: dq 0, 0, 0             ; lowest address, flags, size

section .bss
alignb 16
global room
room: resb SIZE

section .text
global _start

_start:
    ; TODO: fill `another` and `action`; sigaltstack(another, 0); rt_sigaction(11, action, 0, 8)

recurse:
    call recurse

handler:
    ; TODO
    ret

restorer:                       ; where a handler returns to: it ends the signal
    mov eax, SYS_rt_sigreturn
    syscall
