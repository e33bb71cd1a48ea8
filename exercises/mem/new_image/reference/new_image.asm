; new_image: what execve throws away, and what it keeps.

A    equ 0x10000000
PAGE equ 4096

section .rodata
again: db "again", 0
text:  db "still open", 10
length equ $ - text

section .bss
arguments: resq 3
vector:    resb 1

section .text
global _start

_start:
    cmp qword [rsp], 2
    jae second

    mov eax, 12                 ; brk: grow the heap by a page
    xor edi, edi
    syscall
    lea rdi, [rax + PAGE]
    mov eax, 12
    syscall

    mov eax, 9                  ; mmap a page at A
    mov edi, A
    mov esi, PAGE
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 0x22              ; MAP_PRIVATE | MAP_ANONYMOUS
    mov r8, -1
    xor r9d, r9d
    syscall
    mov byte [A], 7

    mov eax, 33                 ; dup2: descriptor 7 means the standard output too
    mov edi, 1
    mov esi, 7
    syscall

    mov rdi, [rsp + 8]
    mov [arguments], rdi
    mov qword [arguments + 8], again
    lea rdx, [rsp + 24]         ; the environment
    mov rsi, arguments
    mov eax, 59                 ; execve
    syscall

second:
    mov eax, 1                  ; the descriptor is still there
    mov edi, 7
    mov rsi, text
    mov edx, length
    syscall

    mov eax, 27                 ; mincore: is anything mapped at A?
    mov edi, A
    mov esi, PAGE
    mov rdx, vector
    syscall
    neg rax
    mov rdi, rax
    mov eax, 60
    syscall
