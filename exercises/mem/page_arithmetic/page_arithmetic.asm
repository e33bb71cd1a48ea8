; page_arithmetic: pages and offsets.

PAGE equ 4096

section .text
global _start
global page_of
global offset_of
global round_up
global pages_touched

page_of:
    ; TODO
    ret

offset_of:
    ; TODO
    ret

round_up:
    ; TODO
    ret

pages_touched:
    ; TODO
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
