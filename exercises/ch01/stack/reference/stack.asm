; Reverse an array by pushing and popping.

section .data
array: dq 1, 2, 3

section .text
global _start
global reverse

; rdi: address of quadwords, rsi: how many
reverse:
    xor ecx, ecx
.push:
    cmp rcx, rsi
    jae .pushed
    push qword [rdi + rcx*8]
    inc rcx
    jmp .push
.pushed:
    xor ecx, ecx
.pop:
    cmp rcx, rsi
    jae .popped
    pop qword [rdi + rcx*8]
    inc rcx
    jmp .pop
.popped:
    ret

_start:
    mov edi, array
    mov esi, 3
    call reverse
    mov rdi, [array]
    mov eax, 60
    syscall
