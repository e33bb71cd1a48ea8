; eight bytes
; caught by: stores the highest byte first
; Store a number with the highest byte first.

section .bss
buffer: resb 4

section .text
global _start
global store_big_endian

; rdi: address of four bytes, esi: a number
store_big_endian:
    bswap esi
    mov [rdi], rsi
    ret

_start:
    mov edi, buffer
    mov esi, 0x11223344
    call store_big_endian
    movzx edi, byte [buffer]
    mov eax, 60
    syscall
