; Hint, fixed, fixed without replacing.

A    equ 0x10000000
PAGE equ 4096

section .text
global _start

; r10d: flags beside MAP_PRIVATE | MAP_ANONYMOUS
; returns rax: what mmap says
map_at_a:
    mov eax, 9
    mov edi, A
    mov esi, PAGE
    mov edx, 3
    or r10d, 0x22
    mov r8, -1
    xor r9d, r9d
    syscall
    ret

_start:
    xor r10d, r10d
    call map_at_a
    mov byte [rax], 1

    xor r10d, r10d
    call map_at_a
    mov byte [rax], 2

    mov r10d, 0x100000          ; MAP_FIXED_NOREPLACE
    call map_at_a
    mov r12, rax
    neg r12

    mov r10d, 0x10              ; MAP_FIXED
    call map_at_a

    movzx edi, byte [A]
    add rdi, r12
    mov eax, 60
    syscall
