; A dictionary as a linked list.

%define last 0

; colon "key", label: a new word whose text follows; its link is the word before
%macro colon 2
%2:
    dq last
    db %1, 0
%define last %2
%endmacro

section .rodata

colon "third word", third_word
db "third word explanation", 0

colon "second word", second_word
db "second word explanation", 0

colon "first word", first_word
db "first word explanation", 0

global dictionary
dictionary: dq last

missing: db "no such word", `\n`
missing_length equ $ - missing
newline: db 10

section .bss
SIZE equ 256
buffer: resb SIZE

section .text
global _start
global find_word

; rdi: string, rsi: last word of a dictionary
; returns rax: address of the word, or 0
find_word:
    test rsi, rsi
    jz .none
    xor ecx, ecx
.compare:
    mov al, [rdi + rcx]
    cmp al, [rsi + 8 + rcx]
    jne .other
    inc rcx
    test al, al
    jnz .compare
    mov rax, rsi
    ret
.other:
    mov rsi, [rsi]
    jmp find_word
.none:
    xor eax, eax
    ret

; rdi: string; returns rax: length
string_length:
    xor eax, eax
.next:
    cmp byte [rdi + rax], 0
    je .done
    inc rax
    jmp .next
.done:
    ret

_start:
    xor ebx, ebx                ; characters so far
.read:
    cmp ebx, SIZE - 1
    jae .missing
    xor eax, eax
    xor edi, edi
    lea rsi, [buffer + rbx]
    mov edx, 1
    syscall
    test rax, rax
    jle .end
    cmp byte [buffer + rbx], 10
    je .end
    inc ebx
    jmp .read
.end:
    mov byte [buffer + rbx], 0

    mov rdi, buffer
    mov rsi, [dictionary]
    call find_word
    test rax, rax
    jz .missing

    lea rdi, [rax + 8]          ; the key
    mov rbx, rdi
    call string_length
    lea rbx, [rbx + rax + 1]    ; behind its zero: the explanation
    mov rdi, rbx
    call string_length
    mov rdx, rax
    mov eax, 1
    mov edi, 1
    mov rsi, rbx
    syscall
    mov eax, 1
    mov edi, 1
    mov rsi, newline
    mov edx, 1
    syscall
    mov eax, 60
    xor edi, edi
    syscall

.missing:
    mov eax, 1
    mov edi, 2
    mov rsi, missing
    mov edx, missing_length
    syscall
    mov eax, 60
    mov edi, 1
    syscall
