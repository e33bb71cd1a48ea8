; caught by: counts a last line without an end
; The last line is forgotten when it has no end.
; map_count: count the lines of a file.
SYS_write equ 1
SYS_open  equ 2
SYS_fstat equ 5
SYS_mmap  equ 9
SYS_exit  equ 60
ST_SIZE   equ 48                ; where struct stat keeps the file's size

section .rodata
name: db "lines.txt", 0

section .bss
status: resb 144                ; struct stat
digits: resb 20
digits_end:

section .text
global _start

_start:
    mov eax, SYS_open
    mov edi, name
    xor esi, esi
    xor edx, edx
    syscall
    mov r12, rax

    mov eax, SYS_fstat
    mov rdi, r12
    mov esi, status
    syscall

    xor r13d, r13d              ; how many lines
    mov rbp, [status + ST_SIZE]
    test rbp, rbp
    jz print_number             ; an empty file can't be mapped

    mov eax, SYS_mmap
    xor edi, edi
    mov rsi, rbp
    mov edx, 1                  ; PROT_READ
    mov r10d, 2                 ; MAP_PRIVATE
    mov r8, r12
    xor r9d, r9d
    syscall

    lea rbp, [rax + rbp]        ; behind the last byte
.next:
    cmp byte [rax], 10
    jne .other
    inc r13d
.other:
    inc rax
    cmp rax, rbp
    jb .next
    cmp byte [rbp - 1], 10
    je print_number

; r13: unsigned number; prints it and ends the program
print_number:
    mov rax, r13
    mov ecx, 10
    mov rsi, digits_end - 1
    mov byte [rsi], 10
.next:
    xor edx, edx
    div rcx
    add dl, '0'
    dec rsi
    mov [rsi], dl
    test rax, rax
    jnz .next

    mov rdx, digits_end
    sub rdx, rsi
    mov eax, SYS_write
    mov edi, 1
    syscall
    mov eax, SYS_exit
    xor edi, edi
    syscall
