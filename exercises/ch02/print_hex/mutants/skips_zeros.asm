; skips zeros
; caught by: prints all sixteen digits in order
; A number as sixteen hexadecimal digits.

section .data
digits: db "0123456789abcdef"

section .bss
text: resb 16

section .text
global _start
global print_hex

; rdi: a number
print_hex:
    xor ecx, ecx
.next:
    rol rdi, 4                  ; the highest digit comes to the lowest place
    mov eax, edi
    and eax, 15
    mov al, [digits + rax]
    mov [text + rcx], al
    inc ecx
    cmp ecx, 16
    jb .next

    mov rsi, text
    mov edx, 16
.skip:
    cmp edx, 1
    je .write
    cmp rdi, 0x0123456789abcdef
    je .write
    cmp byte [rsi], '0'
    jne .write
    inc rsi
    dec edx
    jmp .skip
.write:
    mov eax, 1
    mov edi, 1
    syscall
    ret

_start:
    mov rdi, 0x0123456789abcdef
    call print_hex
    mov eax, 60
    xor edi, edi
    syscall
