; layout: print where everything lies.
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
    ; TODO: six times: number of the name in edi, address in rsi, call print_line

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
