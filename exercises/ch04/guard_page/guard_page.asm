; guard_page: three pages; nobody may touch the middle one.

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
    ; TODO 1: mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    ; TODO 2: mprotect(the second page, PAGE, PROT_NONE)
    ; TODO 3: store a byte into the first and one into the third page: they must still work
    ; TODO 4: write(1, guarded, guarded_length)
    ; TODO 5: store a byte just behind the first page: the guard page catches it

    mov eax, SYS_exit           ; a correct solution never comes here
    xor edi, edi
    syscall
