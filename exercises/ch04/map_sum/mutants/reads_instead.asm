; reads instead
; caught by: through a mapping
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

    xor eax, eax
    mov rdi, r12
    lea rsi, [rsp - 65536]
    mov rdx, [status + ST_SIZE]
    syscall
    lea rax, [rsp - 65536]

    xor edi, edi                ; the sum
    xor ecx, ecx
.next:
    cmp rcx, [status + ST_SIZE]
    jae .done
    movzx edx, byte [rax + rcx]
    add edi, edx
    inc rcx
    jmp .next
.done:
    mov eax, SYS_exit           ; the kernel keeps the lowest byte
    syscall
