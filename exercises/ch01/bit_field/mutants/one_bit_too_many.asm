; one bit too many
; caught by: takes out any field
; Take some bits out of a number.

section .text
global _start
global bit_field

; rdi: value, rsi: lowest bit (0 to 63), rdx: how many bits (0 to 64)
; returns rax: those bits, moved down to bit 0
bit_field:
    mov ecx, esi
    shr rdi, cl
    mov rax, rdi
    cmp edx, 64                 ; a shift by 64 would be a shift by 0
    jae .whole
    lea ecx, [edx + 1]
    mov edx, 1
    shl rdx, cl
    dec rdx                     ; as many ones as the field is long
    and rax, rdx
.whole:
    ret

_start:
    mov edi, 0b1011010110
    mov esi, 4
    mov edx, 4
    call bit_field
    mov rdi, rax
    mov eax, 60
    syscall
