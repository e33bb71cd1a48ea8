; returns points
; caught by: finds the best of some students
; Find the best student.

struc Student
    .number: resq 1
    .points: resd 1
    .group:  resb 1
             resb 3
    .name:   resb 16
endstruc

section .data
global one
one: istruc Student
    at .number, dq 7
    at .points, dd 100
    at .group,  db 2
    at .name,   db "Ada"
iend

section .text
global _start
global best

; rdi: array of Student, rsi: how many
; returns rax: address of the one with the most points, or 0
best:
    xor eax, eax
.next:
    test rsi, rsi
    jz .done
    mov ecx, [rdi + Student.points]
    test rax, rax
    jz .take                    ; the first is the best so far
    cmp ecx, edx
    jbe .skip
.take:
    mov rax, rdi
    mov edx, ecx
.skip:
    add rdi, Student_size
    dec rsi
    jmp .next
.done:
    mov eax, edx
    ret

_start:
    mov eax, 60
    xor edi, edi
    syscall
