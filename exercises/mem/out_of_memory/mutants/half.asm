; half
; caught by: touches each page of the 8 MiB
; Touch more than there is.

PAGE equ 4096
SIZE equ 8 << 20

section .text
global _start

_start:
    mov eax, 9                  ; mmap
    xor edi, edi
    mov esi, SIZE
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 0x4022            ; MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    mov r8, -1
    xor r9d, r9d
    syscall

    xor ebx, ebx
.next:
    mov byte [rax], 1
    add rax, PAGE
    inc ebx
    cmp ebx, SIZE / PAGE / 2
    jb .next

    mov eax, 60
    xor edi, edi
    syscall
