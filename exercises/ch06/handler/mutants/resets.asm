; resets
; caught by: survives the signal
; Count signals.

SYS_rt_sigaction equ 13
SYS_rt_sigreturn equ 15
SYS_sigaltstack  equ 131

SA_SIGINFO  equ 4
SA_ONSTACK  equ 0x08000000
SA_RESTORER equ 0x04000000

section .data
action: dq handler, SA_RESTORER | 0x80000000, restorer, 0

section .bss
counter: resd 1

section .text
global _start

_start:
    mov eax, SYS_rt_sigaction
    mov edi, 10                 ; SIGUSR1
    mov rsi, action
    xor edx, edx
    mov r10d, 8
    syscall

    mov ebx, 5
.next:
    mov eax, 39                 ; getpid
    syscall
    mov edi, eax
    mov esi, 10
    mov eax, 62                 ; kill
    syscall
    dec ebx
    jnz .next

    mov edi, [counter]
    mov eax, 60
    syscall

handler:
    inc dword [counter]
    ret

restorer:                       ; where a handler returns to: it ends the signal
    mov eax, SYS_rt_sigreturn
    syscall
