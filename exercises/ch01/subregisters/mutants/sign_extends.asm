; sign extends
; caught by: takes only the lowest byte of each
section .text
global _start
global pack
pack:
    movsx rax, cl
    shl rax, 8
    mov al, dl
    shl rax, 8
    mov al, sil
    shl rax, 8
    mov al, dil
    ret
_start:
    mov eax, 60
    xor edi, edi
    syscall
