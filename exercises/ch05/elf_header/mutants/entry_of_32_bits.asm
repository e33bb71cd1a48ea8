; entry of 32 bits
; caught by: finds the entry
; Read the header of an ELF file in memory.

section .text
global _start
global entry
global headers
global loadable

; rdi: address of an ELF file; returns rax: its entry address
entry:
    mov eax, [rdi + 24]
    ret

; rdi: address of an ELF file; returns rax: how many program headers it has
headers:
    movzx eax, word [rdi + 56]
    ret

; rdi: address of an ELF file; returns rax: memory size of all loadable segments
loadable:
    movzx ecx, word [rdi + 56]
    mov rdx, [rdi + 32]
    add rdx, rdi                ; the first program header
    xor eax, eax
.next:
    test ecx, ecx
    jz .done
    cmp dword [rdx], 1
    jne .skip
    add rax, [rdx + 40]
.skip:
    add rdx, 56
    dec ecx
    jmp .next
.done:
    ret

_start:
    mov edi, 0x400000
    call headers
    mov rdi, rax
    mov eax, 60
    syscall
