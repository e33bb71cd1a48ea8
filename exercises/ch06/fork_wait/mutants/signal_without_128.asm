; signal without 128
; caught by: a child that is killed
; Run a function in a child, and tell how it ended.

section .bss
status: resd 1

section .text
global _start
global outcome
global fine
global crash
global trap

; rdi: address of a function
; returns rax: its result (0 to 255), or 128 + signal
outcome:
    mov eax, 57                 ; fork
    syscall
    test eax, eax
    jnz .parent
    call rdi
    mov edi, eax
    mov eax, 60
    syscall
.parent:
    mov edi, eax
    mov eax, 61                 ; wait4
    mov rsi, status
    xor edx, edx
    xor r10d, r10d
    syscall
    mov eax, [status]
    mov ecx, eax
    and ecx, 0x7f
    jnz .killed
    shr eax, 8
    and eax, 0xff
    ret
.killed:
    mov eax, ecx
    ret

fine:
    mov eax, 203
    ret
crash:
    mov al, [0]
    ret
trap:
    int3
    ret

_start:
    mov rdi, crash
    call outcome
    mov rdi, rax
    mov eax, 60
    syscall
