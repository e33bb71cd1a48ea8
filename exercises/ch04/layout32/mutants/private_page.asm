; private page
; caught by: heap, mmap and stack lie in their areas
; Print where everything lies, in 32 bits.
SYS_exit  equ 1
SYS_write equ 4
SYS_brk   equ 45
SYS_mmap2 equ 192

bits 32

section .rodata
digits: db "0123456789abcdef"
names:  db "text  data  bss   heap  mmap  stack "

section .data
data: dd 10

section .bss
bss:  resd 1
line: resb 15                   ; name, 8 digits, newline

section .text
global _start

_start:
    xor eax, eax
    mov edx, _start
    call print_line

    mov eax, 1
    mov edx, data
    call print_line

    mov eax, 2
    mov edx, bss
    call print_line

    mov eax, SYS_brk
    xor ebx, ebx
    int 0x80
    mov esi, eax
    lea ebx, [eax + 4096]
    mov eax, SYS_brk
    int 0x80
    mov eax, 3
    mov edx, esi
    call print_line

    mov eax, SYS_mmap2
    xor ebx, ebx
    mov ecx, 4096
    mov edx, 1                  ; PROT_READ
    mov esi, 0x22               ; MAP_SHARED | MAP_ANONYMOUS
    mov edi, -1
    xor ebp, ebp
    int 0x80
    mov edx, eax
    mov eax, 4
    call print_line

    mov eax, 5
    mov edx, esp
    call print_line

    mov eax, SYS_exit
    xor ebx, ebx
    int 0x80

; eax: number of the name, edx: address
print_line:
    lea eax, [eax + eax*2]
    add eax, eax                ; six bytes for each name
    mov ecx, [names + eax]
    mov [line], ecx
    mov cx, [names + eax + 4]
    mov [line + 4], cx
    mov ecx, 8
.digit:
    mov eax, edx
    and eax, 15
    mov al, [digits + eax]
    mov [line + 5 + ecx], al
    shr edx, 4
    loop .digit
    mov byte [line + 14], 10
    push ebx
    mov eax, SYS_write
    mov ebx, 1
    mov ecx, line
    mov edx, 15
    int 0x80
    pop ebx
    ret
