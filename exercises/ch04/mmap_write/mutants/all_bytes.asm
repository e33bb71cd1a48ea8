; caught by: the change reaches the file
; Takes 32 away from every byte, whatever it is.
SYS_open  equ 2
SYS_fstat equ 5
SYS_mmap  equ 9
SYS_exit  equ 60

O_RDWR      equ 2
PROT_READ   equ 1
PROT_WRITE  equ 2
MAP_SHARED  equ 1

ST_SIZE     equ 48              ; where struct stat keeps the file's size

section .rodata
name: db "note.txt", 0

section .bss
status: resb 144                ; struct stat

section .text
global _start

_start:
    mov eax, SYS_open
    mov edi, name
    mov esi, O_RDWR
    xor edx, edx
    syscall
    mov r12, rax                ; the file descriptor

    mov eax, SYS_fstat
    mov rdi, r12
    mov esi, status
    syscall

    mov eax, SYS_mmap
    xor edi, edi
    mov rsi, [status + ST_SIZE]
    mov edx, PROT_READ | PROT_WRITE
    mov r10d, MAP_SHARED
    mov r8, r12
    xor r9d, r9d
    syscall

    mov rcx, [status + ST_SIZE]
    jrcxz .done
.next:
    mov dl, [rax]
    sub byte [rax], 'a' - 'A'
.keep:
    inc rax
    loop .next
.done:
    mov eax, SYS_exit
    xor edi, edi
    syscall
