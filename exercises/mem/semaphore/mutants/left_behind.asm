; caught by: leaves no semaphore behind
; The set stays for ever.
; semaphore: two processes, one counter, and a lock.

ROUNDS equ 100                   ; how often each of them counts

section .data
take:   dw 0, -1, 0             ; struct sembuf: number, operation, flags
give:   dw 0, 1, 0

section .text
global _start
global add_one

_start:
    mov eax, 9                  ; mmap a shared page
    xor edi, edi
    mov esi, 4096
    mov edx, 3                  ; PROT_READ | PROT_WRITE
    mov r10d, 0x21              ; MAP_SHARED | MAP_ANONYMOUS
    mov r8, -1
    xor r9d, r9d
    syscall
    mov rbx, rax

    mov eax, 64                 ; semget
    xor edi, edi                ; IPC_PRIVATE
    mov esi, 1
    mov edx, 0o1600
    syscall
    mov r12, rax

    mov eax, 66                 ; semctl(set, 0, SETVAL, 1): free
    mov rdi, r12
    xor esi, esi
    mov edx, 16
    mov r10d, 1
    syscall

    mov eax, 57                 ; fork
    syscall
    mov r13d, eax               ; the child's number, 0 in the child

    mov r14d, ROUNDS
.next:
    mov eax, 65                 ; semop: take the lock
    mov rdi, r12
    mov rsi, take
    mov edx, 1
    syscall
    call add_one
    mov eax, 65                 ; semop: give it back
    mov rdi, r12
    mov rsi, give
    mov edx, 1
    syscall
    dec r14d
    jnz .next

    test r13d, r13d
    jnz .parent
    mov eax, 60
    xor edi, edi
    syscall

.parent:
    mov eax, 61                 ; wait4
    mov edi, r13d
    xor esi, esi
    xor edx, edx
    xor r10d, r10d
    syscall


    mov edi, [rbx]
    mov eax, 60
    syscall

; rbx: address of the counter
add_one:
    mov ebp, [rbx]              ; load
    mov eax, 24                 ; sched_yield: the other process may run now
    syscall
    inc ebp
    mov [rbx], ebp              ; store
    ret
