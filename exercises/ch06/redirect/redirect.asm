; redirect: send one line elsewhere.

section .rodata
name: db "middle.txt", 0
lines: db "first", 10, "second", 10, "third", 10

section .text
global _start

_start:
    ; TODO: say the first line (rsi = lines, rdx = 6)
    ; TODO: keep a copy of descriptor 1; open middle.txt; make it descriptor 1
    ; TODO: say the second line (rsi = lines + 6, rdx = 7)
    ; TODO: bring descriptor 1 back; say the third line (rsi = lines + 13, rdx = 6)

    mov eax, 60
    xor edi, edi
    syscall

; rsi: address, rdx: length
say:
    mov eax, 1
    mov edi, 1
    syscall
    ret
