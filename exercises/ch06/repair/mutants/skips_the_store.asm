; skips the store
; caught by: the store succeeds in the end
; Let a store succeed at its second try.

SYS_rt_sigaction equ 13
SYS_rt_sigreturn equ 15
SYS_sigaltstack  equ 131

SA_SIGINFO  equ 4
SA_ONSTACK  equ 0x08000000
SA_RESTORER equ 0x04000000

PAGE equ 4096

section .data
action: dq handler, SA_SIGINFO | SA_RESTORER, restorer, 0

section .bss
alignb PAGE
global page
page:   resb PAGE
faults: resd 1

section .text
global _start
global store

_start:
    mov eax, SYS_rt_sigaction
    mov edi, 11                 ; SIGSEGV
    mov rsi, action
    xor edx, edx
    mov r10d, 8
    syscall

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
    inc dword [faults]
    mov rax, [rsi + 16]         ; the address that was touched
    sub rax, page
    cmp rax, PAGE
    jae .not_mine
    add qword [rdx + 168], 4    ; behind the store
    ret
.not_mine:
    mov eax, 60
    mov edi, 99
    syscall

restorer:                       ; where a handler returns to: it ends the signal
    mov eax, SYS_rt_sigreturn
    syscall
