; column from one
; caught by: adds up a column
; Add up one column of a table.

section .data
table: dd 1, 2, 3
       dd 4, 5, 6

section .text
global _start
global column_sum

; rdi: table of 32-bit numbers, rsi: rows, rdx: columns, rcx: which column (from 0)
; returns rax: the sum, 64 bits, signed
column_sum:
    xor eax, eax
    lea rdi, [rdi + rcx*4 - 4]      ; the column's element in row 0
.next:
    test rsi, rsi
    jz .done
    movsxd r8, dword [rdi]
    add rax, r8
    lea rdi, [rdi + rdx*4]      ; one row further
    dec rsi
    jmp .next
.done:
    ret

_start:
    mov edi, table
    mov esi, 2
    mov edx, 3
    mov ecx, 1
    call column_sum
    mov rdi, rax
    mov eax, 60
    syscall
