; caught by: a handler on a stack of its own
; Without SA_ONSTACK the handler runs on the main stack.
; three_stacks: a thread and a signal handler, each with a stack of its own.

PAGE equ 4096
SIZE equ 16384

section .data
other:  dq room, 0, SIZE        ; for sigaltstack: lowest address, flags, size
action: dq handler, 0x04000000, restorer, 0     ; SA_ONSTACK | SA_RESTORER

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
    mov [main_stack], rsp

    mov eax, 131                ; sigaltstack
    mov rdi, other
    xor esi, esi
    syscall
    mov eax, 13                 ; rt_sigaction
    mov edi, 10                 ; SIGUSR1
    mov rsi, action
    xor edx, edx
    mov r10d, 8
    syscall
    mov eax, 39                 ; getpid
    syscall
    mov edi, eax
    mov esi, 10
    mov eax, 62                 ; kill
    syscall

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

    mov edi, eax
    mov eax, 61                 ; wait4
    xor esi, esi
    xor edx, edx
    xor r10d, r10d
    syscall
    mov eax, 60
    xor edi, edi
    syscall

thread:
    mov [thread_stack], rsp
    mov eax, 60
    xor edi, edi
    syscall

handler:
    mov [handler_stack], rsp
    ret

restorer:                       ; where a handler returns to: it ends the signal
    mov eax, 15
    syscall
