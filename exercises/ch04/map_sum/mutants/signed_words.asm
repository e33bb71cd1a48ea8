; signed words
; caught by: adds up a small file
; Add up the bytes of a file.
SYS_write equ 1
SYS_open  equ 2
SYS_fstat equ 5
SYS_mmap  equ 9
SYS_exit  equ 60
ST_SIZE   equ 48                ; where struct stat keeps the file's size

section .rodata
name: db "numbers.bin", 0

section .bss
status: resb 144                ; struct stat

section .text
global _start

_start:
    mov eax, SYS_open
    mov edi, name
    mov esi, 0
    xor edx, edx
    syscall
    mov r12, rax

    mov eax, SYS_fstat
    mov rdi, r12
    mov esi, status
    syscall

    mov eax, SYS_mmap
    xor edi, edi
    mov rsi, [status + ST_SIZE]
    mov edx, 1                  ; PROT_READ
    mov r10d, 2                ; MAP_PRIVATE
    mov r8, r12
    xor r9d, r9d
    syscall

    xor edi, edi                ; the sum
    xor ecx, ecx
.next:
    cmp rcx, [status + ST_SIZE]
    jae .done
    movzx edx, word [rax + rcx]
    add edi, edx
    add rcx, 2
    jmp .next
.done:
    mov eax, SYS_exit           ; the kernel keeps the lowest byte
    syscall
