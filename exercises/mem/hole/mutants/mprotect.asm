; caught by: cuts a hole into the area
; The page may only be read, but it is still mapped.
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

    mov eax, 10                 ; mprotect
    mov edx, 1                  ; PROT_READ
    lea rdi, [rbx + 2 * PAGE]
    mov esi, PAGE
    syscall

    mov esi, PAGE
    call map

    movzx edi, byte [rax]       ; what the new page begins with
    mov eax, 60
    syscall
