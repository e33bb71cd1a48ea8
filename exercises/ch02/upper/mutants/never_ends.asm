; never ends
; caught by: changes one line
; A filter that turns small letters into capitals.

SIZE equ 64

section .bss
buffer: resb SIZE

section .text
global _start

_start:
.read:
    xor eax, eax                ; read
    xor edi, edi
    mov rsi, buffer
    mov edx, SIZE
    syscall
    test rax, rax
    js .done
    mov r12, rax                ; how many came

    xor ecx, ecx
.next:
    mov al, [buffer + rcx]
    cmp al, 'a'
    jb .keep
    cmp al, 'z'
    ja .keep
    sub al, 'a' - 'A'
    mov [buffer + rcx], al
.keep:
    inc rcx
    cmp rcx, r12
    jb .next

    mov eax, 1                  ; write
    mov edi, 1
    mov rsi, buffer
    mov rdx, r12
    syscall
    jmp .read

.done:
    mov eax, 60
    xor edi, edi
    syscall
