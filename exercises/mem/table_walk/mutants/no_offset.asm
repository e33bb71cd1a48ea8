; no offset
; caught by: takes a user address apart
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

    xor eax, eax
    sar rdi, 47                 ; 0 or -1 if it is canonical
    inc rdi
    cmp rdi, 1
    setbe al
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
