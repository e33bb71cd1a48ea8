; one page
; caught by: through a segment of 8000 bytes
; System V shared memory between parent and child.

section .text
global _start

_start:
    mov eax, 29                 ; shmget
    xor edi, edi                ; IPC_PRIVATE
    mov esi, 800
    mov edx, 0o1600             ; IPC_CREAT, rw for the owner
    syscall
    mov r12, rax

    mov eax, 30                 ; shmat
    mov rdi, r12
    xor esi, esi
    xor edx, edx
    syscall
    mov rbx, rax

    mov eax, 57                 ; fork
    syscall
    test eax, eax
    jnz .parent
    mov dword [rbx], 2026
    mov eax, 60
    xor edi, edi
    syscall

.parent:
    mov edi, eax
    mov eax, 61                 ; wait4
    xor esi, esi
    xor edx, edx
    xor r10d, r10d
    syscall
    mov r13d, [rbx]

    mov eax, 67                 ; shmdt
    mov rdi, rbx
    syscall
    mov eax, 31                 ; shmctl
    mov rdi, r12
    xor esi, esi                ; IPC_RMID
    xor edx, edx
    syscall

    movzx edi, r13b
    mov eax, 60
    syscall
