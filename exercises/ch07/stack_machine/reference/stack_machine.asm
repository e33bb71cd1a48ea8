; Run programs for a machine without registers.

section .rodata
table: dq interpret.halt, interpret.push, interpret.add, interpret.subtract, interpret.multiply
       dq interpret.duplicate, interpret.swap, interpret.jump, interpret.drop

section .text
global _start
global interpret

; rdi: address of a program
; returns rax: its result
interpret:
    mov r8, rsp
.next:
    movzx eax, byte [rdi]
    inc rdi
    cmp eax, 8
    ja .unknown
    jmp [table + rax*8]
.push:
    push qword [rdi]
    add rdi, 8
    jmp .next
.add:
    pop rax
    add [rsp], rax
    jmp .next
.subtract:
    pop rax
    sub [rsp], rax
    jmp .next
.multiply:
    pop rax
    pop rcx
    imul rax, rcx
    push rax
    jmp .next
.duplicate:
    push qword [rsp]
    jmp .next
.swap:
    pop rax
    pop rcx
    push rax
    push rcx
    jmp .next
.jump:
    movsx rax, byte [rdi]
    inc rdi
    pop rcx
    test rcx, rcx
    jz .next
    add rdi, rax
    jmp .next
.drop:
    pop rax
    jmp .next
.unknown:
    mov rsp, r8
    mov rax, -1
    ret
.halt:
    pop rax
    mov rsp, r8
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
