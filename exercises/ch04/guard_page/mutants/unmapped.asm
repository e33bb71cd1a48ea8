; caught by: the middle page has no rights at all
; Unmaps the middle page: there is a hole, and no guard.
SYS_write    equ 1
SYS_mmap     equ 9
SYS_mprotect equ 10
SYS_exit     equ 60

PROT_NONE     equ 0
PROT_READ     equ 1
PROT_WRITE    equ 2
MAP_PRIVATE   equ 2
MAP_ANONYMOUS equ 0x20

PAGE      equ 4096

section .rodata
guarded: db "guarded", 10
guarded_length equ $ - guarded

section .text
global _start

_start:
    mov eax, SYS_mmap
    xor edi, edi
    mov esi, 3 * PAGE
    mov edx, PROT_READ | PROT_WRITE
    mov r10d, MAP_PRIVATE | MAP_ANONYMOUS
    mov r8, -1
    xor r9d, r9d
    syscall
    mov r12, rax                ; the first page

    mov eax, 11                 ; munmap: a hole instead of a guard
    lea rdi, [r12 + PAGE]
    mov esi, PAGE
    mov edx, PROT_NONE
    syscall

    mov byte [r12], 1
    mov byte [r12 + 2 * PAGE], 3

    mov eax, SYS_write
    mov edi, 1
    mov esi, guarded
    mov edx, guarded_length
    syscall

    mov byte [r12 + PAGE], 2    ; one byte too far: SIGSEGV

    mov eax, SYS_exit
    xor edi, edi
    syscall
