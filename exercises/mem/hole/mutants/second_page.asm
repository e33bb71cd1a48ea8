; caught by: cuts a hole into the area
; The second page is given back: pages are counted from 0 here.
; hole: give back the middle of an area, and see the hole filled.

PAGE equ 4096

section .text
global _start

; rsi: bytes; returns rax: address of private anonymous memory, readable and writable
map:
    mov eax, 9                  ; mmap
    xor edi, edi
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 0x22              ; MAP_PRIVATE | MAP_ANONYMOUS
    mov r8, -1
    xor r9d, r9d
    syscall
    ret

_start:
    mov esi, 5 * PAGE
    call map
    mov rbx, rax

    xor ecx, ecx                ; each page begins with its number, 1 to 5
    mov rdi, rbx
.fill:
    inc ecx
    mov [rdi], cl
    add rdi, PAGE
    cmp ecx, 5
    jb .fill

    mov eax, 11                 ; munmap the third page
    lea rdi, [rbx + 1 * PAGE]
    mov esi, PAGE
    syscall

    mov esi, PAGE
    call map

    movzx edi, byte [rax]       ; what the new page begins with
    mov eax, 60
    syscall
