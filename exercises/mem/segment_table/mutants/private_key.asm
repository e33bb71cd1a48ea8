; caught by: makes the segment with the key
; Key 0 makes a segment that nobody else can find.
; segment_table: make a segment by its key, attach it twice, and print the kernel's table.

KEY  equ 0x2026
SIZE equ 64

section .rodata
name: db "/proc/sysvipc/shm", 0

section .bss
buffer: resb SIZE

section .text
global _start

_start:
    mov eax, 29                 ; shmget
    xor edi, edi
    mov esi, 5000
    mov edx, 0o3640             ; IPC_CREAT | IPC_EXCL, rw-r-----
    syscall
    mov r12, rax                ; the number

    mov eax, 30                 ; shmat, where the kernel likes
    mov rdi, r12
    xor esi, esi
    xor edx, edx
    syscall
    mov r13, rax

    mov eax, 30                 ; shmat, once more, only for reading
    mov rdi, r12
    xor esi, esi
    mov edx, 0o10000            ; SHM_RDONLY
    syscall
    mov r14, rax

    mov dword [r13], 2026       ; in through the one address
    mov ebx, [r14]              ; out through the other

    mov eax, 2                  ; open
    mov rdi, name
    xor esi, esi                ; O_RDONLY
    syscall
    mov r15, rax
.next:
    xor eax, eax                ; read
    mov rdi, r15
    mov rsi, buffer
    mov edx, SIZE
    syscall
    test rax, rax
    jle .done
    mov rdx, rax
    mov eax, 1
    mov edi, 1
    mov rsi, buffer
    syscall
    jmp .next

.done:
    mov eax, 67                 ; shmdt
    mov rdi, r13
    syscall
    mov eax, 67
    mov rdi, r14
    syscall
    mov eax, 31                 ; shmctl(number, IPC_RMID, 0)
    mov rdi, r12
    xor esi, esi
    syscall

    movzx edi, bl
    mov eax, 60
    syscall
