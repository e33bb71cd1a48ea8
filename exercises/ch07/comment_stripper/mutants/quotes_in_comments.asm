; quotes in comments
; caught by: keeps semicolons in strings
; Remove the comments from assembly.

section .bss
character: resb 1

section .text
global _start

; returns al: the next character; ends the program if there is none
read_character:
    xor eax, eax
    xor edi, edi
    mov rsi, character
    mov edx, 1
    syscall
    test rax, rax
    jle .end
    mov al, [character]
    ret
.end:
    mov eax, 60
    xor edi, edi
    syscall

; writes the character that was read last
write_character:
    mov eax, 1
    mov edi, 1
    mov rsi, character
    mov edx, 1
    syscall
    ret

_start:
.code:
    call read_character
    cmp al, ';'
    je .comment
    mov bl, al
    call write_character
    cmp bl, "'"
    je .string
    cmp bl, '"'
    je .string
    cmp bl, '`'
    je .string
    jmp .code

.comment:
    call read_character
    mov bl, al
    cmp al, "'"
    je .string
    cmp al, 10
    jne .comment
    call write_character
    jmp .code

.string:                        ; bl: the quote it began with
    call read_character
    mov bh, al
    call write_character
    cmp bh, bl
    je .code
    cmp bh, 10
    je .code
    jmp .string
