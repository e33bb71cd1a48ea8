; hole: give back the middle of an area, and see the hole filled.

PAGE equ 4096

section .text
global _start

_start:
    ; TODO 1: mmap 5 * PAGE bytes; store 1 to 5 in the first byte of each page
    ; TODO 2: munmap(the third page, PAGE)
    ; TODO 3: mmap PAGE bytes, address 0
    ; TODO 4: exit(the first byte of that page)

    mov eax, 60
    mov edi, 1
    syscall
