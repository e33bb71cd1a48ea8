; elf_header: read the header of an ELF file in memory.

section .text
global _start
global entry
global headers
global loadable

; rdi: address of an ELF file; returns rax: its entry address
entry:
    ; TODO
    ret

; rdi: address of an ELF file; returns rax: how many program headers it has
headers:
    ; TODO
    ret

; rdi: address of an ELF file; returns rax: memory size of all loadable segments
loadable:
    ; TODO
    ret

_start:                         ; try it on this very program
    mov edi, 0x400000
    call headers
    mov rdi, rax
    mov eax, 60
    syscall
