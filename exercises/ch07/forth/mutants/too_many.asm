; too many
; caught by: complains
; A small Forth.

%define link 0

; word "name", label: a dictionary entry; the code follows
%macro word 2
section .rodata
entry_%2:
    dq link
    dq %2
    db %1, 0
%define link entry_%2
section .text
%2:
%endmacro

SIZE equ 1024

section .bss
stack_room: resq 2048            ; the data stack grows downwards from stack_base
stack_base:
token:      resb SIZE
digits:     resb 24
digits_end:
character:  resb 1

section .text
global _start

; r15: top of the data stack. Words may change everything but r15, rbx and rbp.

%macro needs 1
    lea rax, [r15 + 8 * %1]
    cmp rax, stack_base
    ja underflow
%endmacro

word "+", plus
    needs 2
    mov rax, [r15]
    add r15, 8
    add [r15], rax
    ret

word "-", minus
    needs 2
    mov rax, [r15]
    add r15, 8
    sub [r15], rax
    ret

word "*", times_
    needs 2
    mov rax, [r15]
    add r15, 8
    imul rax, [r15]
    mov [r15], rax
    ret

word "/", divide
    needs 2
    mov rcx, [r15]
    test rcx, rcx
    jz division_by_zero
    add r15, 8
    mov rax, [r15]
    cmp rcx, -1
    je .negate
    cqo
    idiv rcx
    mov [r15], rax
    ret
.negate:
    neg qword [r15]
    ret

word "dup", duplicate
    needs 1
    mov rax, [r15]
    jmp push_rax

word "drop", drop
    needs 1
    add r15, 8
    ret

word "swap", swap
    needs 2
    mov rax, [r15]
    mov rcx, [r15 + 8]
    mov [r15], rcx
    mov [r15 + 8], rax
    ret

word "=", equal
    needs 2
    mov rax, [r15]
    add r15, 8
    xor ecx, ecx
    cmp [r15], rax
    sete cl
    mov [r15], rcx
    ret

word "<", less
    needs 2
    mov rax, [r15]
    add r15, 8
    xor ecx, ecx
    cmp [r15], rax
    setl cl
    mov [r15], rcx
    ret

word ".", print
    needs 1
    mov rax, [r15]
    add r15, 8
    mov rsi, digits_end - 1
    mov byte [rsi], 10
    mov r8, rax
    test rax, rax
    jns .next
    neg rax
.next:
    xor edx, edx
    mov ecx, 10
    div rcx
    add dl, '0'
    dec rsi
    mov [rsi], dl
    test rax, rax
    jnz .next
    test r8, r8
    jns .write
    dec rsi
    mov byte [rsi], '-'
.write:
    mov rdx, digits_end
    sub rdx, rsi
    mov eax, 1
    mov edi, 1
    syscall
    ret

push_rax:
    sub r15, 8
    mov [r15], rax
    ret

section .rodata
text_underflow: db "stack underflow", 10
length_underflow equ $ - text_underflow
text_overflow: db "stack overflow", 10
length_overflow equ $ - text_overflow
text_zero: db "division by zero", 10
length_zero equ $ - text_zero
text_unknown: db "unknown word", 10
length_unknown equ $ - text_unknown

section .text
underflow:
    mov rsi, text_underflow
    mov edx, length_underflow
    jmp fail
overflow:
    mov rsi, text_overflow
    mov edx, length_overflow
    jmp fail
division_by_zero:
    mov rsi, text_zero
    mov edx, length_zero
    jmp fail
unknown:
    mov rsi, text_unknown
    mov edx, length_unknown
fail:
    mov eax, 1
    mov edi, 2
    syscall
    mov eax, 60
    mov edi, 1
    syscall

; reads a word into token; returns rax: its length, 0 at the end of the input
read_token:
    push rbx
    xor ebx, ebx
.next:
    xor eax, eax
    xor edi, edi
    mov rsi, character
    mov edx, 1
    syscall
    test rax, rax
    jle .end
    mov al, [character]
    cmp al, ' '
    jbe .space
    cmp ebx, SIZE - 1
    jae unknown
    mov [token + rbx], al
    inc ebx
    jmp .next
.space:
    test ebx, ebx
    jz .next
.end:
    mov byte [token + rbx], 0
    mov eax, ebx
    pop rbx
    ret

; returns rax: address of the code of the word in token, or 0
find:
    mov rsi, link
.next:
    test rsi, rsi
    jz .none
    xor ecx, ecx
.compare:
    mov al, [token + rcx]
    cmp al, [rsi + 16 + rcx]
    jne .other
    inc ecx
    test al, al
    jnz .compare
    mov rax, [rsi + 8]
    ret
.other:
    mov rsi, [rsi]
    jmp .next
.none:
    xor eax, eax
    ret

; the number in token to rax; carry set if it is none
parse:
    mov rsi, token
    xor r8d, r8d
    cmp byte [rsi], '-'
    jne .digits
    inc r8d
    inc rsi
.digits:
    cmp byte [rsi], 0
    je .no
    xor eax, eax
.next:
    movzx ecx, byte [rsi]
    test ecx, ecx
    jz .done
    sub ecx, '0'
    cmp ecx, 9
    ja .no
    imul rax, rax, 10
    add rax, rcx
    inc rsi
    jmp .next
.done:
    test r8d, r8d
    jz .positive
    neg rax
.positive:
    clc
    ret
.no:
    stc
    ret

_start:
    mov r15, stack_base
.next:
    call read_token
    test eax, eax
    jz .end
    call find
    test rax, rax
    jz .number
    call rax
    jmp .next
.number:
    call parse
    jc unknown
    call push_rax
    jmp .next
.end:
    mov eax, 60
    xor edi, edi
    syscall
