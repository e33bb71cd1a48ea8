; caught by: prints its whole map
; Writes the whole buffer each time, also behind what was read.
SYS_read  equ 0
SYS_write equ 1
SYS_open  equ 2
SYS_exit  equ 60

SIZE      equ 512               ; bytes of the buffer: the map is longer than that

section .rodata
name: db "/proc/self/maps", 0

section .bss
buffer: resb SIZE

section .text
global _start

_start:
    mov eax, SYS_open
    mov edi, name
    xor esi, esi
    xor edx, edx
    syscall
    mov r12, rax                ; the descriptor

.next:
    mov eax, SYS_read
    mov rdi, r12
    mov esi, buffer
    mov edx, SIZE
    syscall
    test rax, rax
    jle .done

    mov edx, SIZE               ; the end of the last piece is stale
    mov eax, SYS_write
    mov edi, 1
    mov esi, buffer
    syscall
    jmp .next

.done:
    mov eax, SYS_exit
    xor edi, edi
    syscall
