; all rights
; caught by: no page is ever writable and executable
; Make code at run time, never writable and executable at once.
SYS_mmap     equ 9
SYS_mprotect equ 10
SYS_exit     equ 60

PAGE equ 4096

section .rodata
; mov eax, edi; add eax, edi; ret: a function that doubles its argument
code: db 0x89, 0xf8, 0x01, 0xf8, 0xc3
code_length equ $ - code

section .text
global _start

_start:
    mov eax, SYS_mmap
    xor edi, edi
    mov esi, PAGE
    mov edx, 7
    mov r10d, 0x22              ; MAP_PRIVATE | MAP_ANONYMOUS
    mov r8, -1
    xor r9d, r9d
    syscall
    mov rbx, rax

    mov rdi, rbx
    mov esi, code
    mov ecx, code_length
    rep movsb

    mov eax, SYS_mprotect
    mov rdi, rbx
    mov esi, PAGE
    mov edx, 5                  ; PROT_READ | PROT_EXEC
    syscall

    mov edi, 21
    call rbx

    mov edi, eax
    mov eax, SYS_exit
    syscall
