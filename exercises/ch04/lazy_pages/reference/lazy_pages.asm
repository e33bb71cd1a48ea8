; Memory that is promised and memory that is there.
SYS_mmap    equ 9
SYS_mincore equ 27
SYS_exit    equ 60

PAGE  equ 4096
PAGES equ 16

section .bss
vector: resb PAGES

section .text
global _start

_start:
    mov eax, SYS_mmap
    xor edi, edi
    mov esi, PAGES * PAGE
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 0x22              ; MAP_PRIVATE | MAP_ANONYMOUS
    mov r8, -1
    xor r9d, r9d
    syscall
    mov rbx, rax

    mov byte [rbx], 'x'
    mov byte [rbx + 5 * PAGE], 'x'
    mov byte [rbx + 15 * PAGE], 'x'

    mov eax, SYS_mincore
    mov rdi, rbx
    mov esi, PAGES * PAGE
    mov edx, vector
    syscall

    xor edi, edi
    xor ecx, ecx
.next:
    mov al, [vector + rcx]
    and eax, 1                  ; the other bits mean nothing yet
    add edi, eax
    inc ecx
    cmp ecx, PAGES
    jb .next

    mov eax, SYS_exit
    syscall
