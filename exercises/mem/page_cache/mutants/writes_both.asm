; writes both
; caught by: each half by its own way
; A mapping and a descriptor see the same page.

section .rodata
name: db "data.bin", 0
map_text:  db "MAP "
file_text: db "FILE"

section .bss
seen: resb 8

section .text
global _start

_start:
    mov eax, 2                  ; open
    mov rdi, name
    mov esi, 2                  ; O_RDWR
    xor edx, edx
    syscall
    mov r12, rax

    mov eax, 9                  ; mmap
    xor edi, edi
    mov esi, 4096
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 1                 ; MAP_SHARED
    mov r8, r12
    xor r9d, r9d
    syscall
    mov rbx, rax

    mov eax, 18
    mov rdi, r12
    mov rsi, map_text
    mov edx, 4
    xor r10d, r10d
    syscall
    xor eax, eax                ; read
    mov rdi, r12
    mov rsi, seen
    mov edx, 4
    syscall

    mov eax, 18                 ; pwrite64
    mov rdi, r12
    mov rsi, file_text
    mov edx, 4
    mov r10d, 4
    syscall
    mov eax, [rbx + 4]
    mov [seen + 4], eax

    mov eax, 26                 ; msync
    mov rdi, rbx
    mov esi, 4096
    mov edx, 4                  ; MS_SYNC
    syscall
    mov r13, rax

    mov eax, 1
    mov edi, 1
    mov rsi, seen
    mov edx, 8
    syscall
    mov eax, 60
    mov rdi, r13
    syscall
