; swap: more memory in use than there is.

PAGE  equ 4096
PAGES equ 768                  ; 3 MiB

section .bss
global absent
absent: resd 1                  ; pages that are not in memory
global sum
sum:    resq 1                  ; of the numbers read back
vector: resb PAGES

section .text
global _start

_start:
    ; TODO 1: mmap PAGES * PAGE bytes, flags 0x4022
    ; TODO 2: store each page's number in its first quadword
    ; TODO 3: mincore(address, PAGES * PAGE, vector); count the zeros into absent
    ; TODO 4: add up the first quadwords of all pages in sum; exit(0)

    mov eax, 60
    mov edi, 2
    syscall
