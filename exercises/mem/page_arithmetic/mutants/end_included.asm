; end included
; caught by: counts the pages of a range
; Pages and offsets.

PAGE equ 4096

section .text
global _start
global page_of
global offset_of
global round_up
global pages_touched

page_of:
    mov rax, rdi
    and rax, -PAGE
    ret

offset_of:
    mov eax, edi
    and eax, PAGE - 1
    ret

round_up:
    lea rax, [rdi + PAGE - 1]
    and rax, -PAGE
    ret

pages_touched:
    xor eax, eax
    test rsi, rsi
    jz .done
    lea rax, [rdi + rsi]    ; the last byte
    shr rax, 12
    shr rdi, 12
    sub rax, rdi
    inc rax
.done:
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
