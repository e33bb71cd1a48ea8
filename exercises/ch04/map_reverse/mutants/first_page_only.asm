; first page only
; caught by: reverses a file of several pages
; Reverse a file in place.
SYS_open  equ 2
SYS_fstat equ 5
SYS_mmap  equ 9
SYS_exit  equ 60
ST_SIZE   equ 48                ; where struct stat keeps the file's size

section .rodata
name: db "palindrome.txt", 0

section .bss
status: resb 144                ; struct stat

section .text
global _start

_start:
    mov eax, SYS_open
    mov edi, name
    mov esi, 2                  ; O_RDWR
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
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 1                ; MAP_SHARED
    mov r8, r12
    xor r9d, r9d
    syscall

    mov rcx, [status + ST_SIZE]
    and ecx, 4095
    lea rdx, [rax + rcx - 1]    ; the last byte
.next:
    cmp rax, rdx
    jae .done
    mov cl, [rax]
    mov bl, [rdx]
    mov [rax], bl
    mov [rdx], cl
    inc rax
    dec rdx
    jmp .next
.done:
    mov eax, SYS_exit
    xor edi, edi
    syscall
