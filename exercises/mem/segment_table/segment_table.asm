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
    ; TODO 1: shmget(KEY, 5000, IPC_CREAT | IPC_EXCL | 0o640)
    ; TODO 2: shmat(number, 0, 0), then shmat(number, 0, 0o10000)
    ; TODO 3: store 2026 at the first address, load it from the second
    ; TODO 4: open(name), read and write until there is no more
    ; TODO 5: shmdt twice, shmctl(number, 0, 0), exit(lowest byte)

    mov eax, 60
    mov edi, 1
    syscall
