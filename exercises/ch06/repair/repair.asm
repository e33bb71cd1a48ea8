; repair: let a store succeed at its second try.

SYS_rt_sigaction equ 13
SYS_rt_sigreturn equ 15
SYS_sigaltstack  equ 131

SA_SIGINFO  equ 4
SA_ONSTACK  equ 0x08000000
SA_RESTORER equ 0x04000000

PAGE equ 4096

section .data
action: dq 0, 0, 0, 0           ; handler, flags, restorer, mask

section .bss
alignb PAGE
global page
page:   resb PAGE
faults: resd 1

section .text
global _start
global store

_start:
    ; TODO: fill `action`; rt_sigaction(11, action, 0, 8)

    mov eax, 10                 ; mprotect(page, PAGE, PROT_READ)
    mov rdi, page
    mov esi, PAGE
    mov edx, 1
    syscall

    mov rax, page
    cmp qword [rsp], 2          ; with an argument: touch another address
    jb store
    xor eax, eax
store:
    mov byte [rax + 100], 7

    mov edi, [faults]
    mov eax, 60
    syscall

handler:
    ; TODO
    ret

restorer:                       ; where a handler returns to: it ends the signal
    mov eax, SYS_rt_sigreturn
    syscall
