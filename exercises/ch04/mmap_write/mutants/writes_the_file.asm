; caught by: works through the mapping, not with write
; Reads, changes, and writes the file: the right result by another way.
section .rodata
name: db "note.txt", 0
section .bss
buffer: resb 65536
section .text
global _start
_start:
    mov eax, 2
    mov edi, name
    mov esi, 2
    xor edx, edx
    syscall
    mov r12, rax
    xor eax, eax                ; read
    mov rdi, r12
    mov esi, buffer
    mov edx, 65536
    syscall
    mov r13, rax
    xor ecx, ecx
.next:
    cmp rcx, r13
    jae .write
    mov dl, [buffer + rcx]
    cmp dl, 'a'
    jb .keep
    cmp dl, 'z'
    ja .keep
    sub byte [buffer + rcx], 32
.keep:
    inc rcx
    jmp .next
.write:
    mov eax, 18                 ; pwrite64
    mov rdi, r12
    mov esi, buffer
    mov rdx, r13
    xor r10d, r10d
    syscall
    mov eax, 60
    xor edi, edi
    syscall
