; only lower half
; caught by: knows canonical addresses
; Take an address apart.

section .text
global _start
global walk

; rdi: address, rsi: five quadwords
; returns rax: 1 if the address is canonical
walk:
    mov ecx, 39
.next:
    mov rax, rdi
    shr rax, cl
    and eax, 511
    mov [rsi], rax
    add rsi, 8
    sub ecx, 9
    cmp ecx, 12
    jae .next

    mov eax, edi
    and eax, 4095
    mov [rsi], rax

    xor eax, eax
    sar rdi, 47                 ; 0 or -1 if it is canonical
    test rdi, rdi
    setz al
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
