; swapped names
; caught by: text, data and bss lie in the program
; Print where everything lies.
SYS_write equ 1
SYS_mmap  equ 9
SYS_brk   equ 12
SYS_exit  equ 60

section .rodata
digits: db "0123456789abcdef"
names:  db "text  data  bss   heap  mmap  stack "

section .data
data: dq 10

section .bss
bss:  resq 1
line: resb 23                   ; name, 16 digits, newline

section .text
global _start

_start:
    xor edi, edi
    mov esi, _start
    call print_line

    mov edi, 1
    mov esi, bss
    call print_line

    mov edi, 2
    mov esi, data
    call print_line

    mov eax, SYS_brk
    xor edi, edi
    syscall
    mov rbx, rax
    lea rdi, [rax + 4096]
    mov eax, SYS_brk
    syscall
    mov edi, 3
    mov rsi, rbx
    call print_line

    mov eax, SYS_mmap
    xor edi, edi
    mov esi, 4096
    mov edx, 1                  ; PROT_READ
    mov r10d, 0x21              ; MAP_SHARED | MAP_ANONYMOUS
    mov r8, -1
    xor r9d, r9d
    syscall
    mov edi, 4
    mov rsi, rax
    call print_line

    mov edi, 5
    mov rsi, rsp
    call print_line

    mov eax, SYS_exit
    xor edi, edi
    syscall

; rdi: number of the name, rsi: address
print_line:
    lea rdx, [rdi + rdi*2]
    add rdx, rdx                ; six bytes for each name
    mov eax, [names + rdx]
    mov [line], eax
    mov ax, [names + rdx + 4]
    mov [line + 4], ax
    mov ecx, 16
.digit:
    mov eax, esi
    and eax, 15
    mov al, [digits + rax]
    mov [line + 5 + rcx], al
    shr rsi, 4
    loop .digit
    mov byte [line + 22], 10
    mov eax, SYS_write
    mov edi, 1
    mov esi, line
    mov edx, 23
    syscall
    ret
