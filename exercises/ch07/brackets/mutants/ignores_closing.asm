; ignores closing
; caught by: refuses what is open or closed too often
; Are they balanced?

section .text
global _start
global balanced

; rdi: address of a string that ends with a zero byte
; returns rax: 1 if its brackets are balanced, else 0
balanced:
    mov r8, rsp                 ; where the stack of brackets begins
.next:
    movzx eax, byte [rdi]
    inc rdi
    test al, al
    jz .end
    cmp al, '('
    je .round
    cmp al, '['
    je .other
    cmp al, '{'
    je .other
    cmp al, ')'
    je .close
    cmp al, ']'
    je .close
    cmp al, '}'
    je .close
    jmp .next
.round:
    push ')'
    jmp .next
.other:
    add eax, 2                  ; the closing one
    push rax
    jmp .next
.close:
    cmp rsp, r8
    je .next                    ; nothing is open
    pop rcx
    cmp eax, ecx
    je .next
.no:
    mov rsp, r8
    xor eax, eax
    ret
.end:
    cmp rsp, r8
    jne .no
    mov eax, 1
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
