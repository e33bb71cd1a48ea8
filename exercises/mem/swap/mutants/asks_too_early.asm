; caught by: all pages are used
; mincore is asked before the pages are written.
; swap: more memory in use than there is.

PAGE  equ 4096
PAGES equ 768                  ; 3 MiB

section .bss
global absent
absent: resd 1                  ; pages that are not in memory
global sum
sum:    resq 1                  ; of the numbers read back
vector: resb PAGES

section .text
global _start

_start:
    mov eax, 9                  ; mmap
    xor edi, edi
    mov esi, PAGES * PAGE
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 0x4022            ; MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    mov r8, -1
    xor r9d, r9d
    syscall
    mov rbx, rax

    mov eax, 27
    mov rdi, rbx
    mov esi, PAGES * PAGE
    mov rdx, vector
    syscall
    xor ecx, ecx                ; each page begins with its number
    mov rdi, rbx
.write:
    mov [rdi], rcx
    add rdi, PAGE
    inc ecx
    cmp ecx, PAGES
    jb .write

    xor ecx, ecx
.count:
    mov al, [vector + rcx]
    and eax, 1
    xor eax, 1
    add [absent], eax
    inc ecx
    cmp ecx, PAGES
    jb .count

    xor ecx, ecx                ; read the numbers back
    mov rdi, rbx
.read:
    mov rax, [rdi]
    add [sum], rax
    add rdi, PAGE
    inc ecx
    cmp ecx, PAGES
    jb .read

    mov eax, 60
    xor edi, edi
    syscall
