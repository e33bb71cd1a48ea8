; begins with 0
; caught by: finds it among negative numbers too
; The largest of an array of signed numbers.

section .data
array: dq 3, -7, 12, 5

section .text
global _start
global maximum

; rdi: address of signed quadwords, rsi: how many, at least 1
; returns rax: the largest
maximum:
    xor eax, eax
    xor ecx, ecx
.next:
    cmp rcx, rsi
    jae .done
    mov rdx, [rdi + rcx*8]
    cmp rdx, rax
    cmovg rax, rdx
    inc rcx
    jmp .next
.done:
    ret

_start:
    mov rdi, array
    mov esi, 4
    call maximum
    mov rdi, rax
    mov eax, 60
    syscall
