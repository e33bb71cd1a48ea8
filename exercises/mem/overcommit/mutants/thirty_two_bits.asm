; thirty two bits
; caught by: asks four times for a terabyte
; Which promises does the kernel make?

SIZE equ 1 << 30

section .text
global _start

; edx: rights, r10d: flags, r13d: the bit of this case
; sets the bit in r12d if the kernel makes the promise
try:
    mov eax, 9
    xor edi, edi
    mov rsi, SIZE
    mov r8, -1
    xor r9d, r9d
    syscall
    test rax, rax
    js .refused
    or r12d, r13d
.refused:
    ret

_start:
    xor r12d, r12d

    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 0x22              ; MAP_PRIVATE | MAP_ANONYMOUS
    mov r13d, 1
    call try

    mov edx, 1                  ; PROT_READ
    mov r10d, 0x22
    mov r13d, 2
    call try

    mov edx, 3
    mov r10d, 0x4022            ; with MAP_NORESERVE
    mov r13d, 4
    call try

    xor edx, edx                ; PROT_NONE
    mov r10d, 0x22
    mov r13d, 8
    call try

    mov edi, r12d
    mov eax, 60
    syscall
