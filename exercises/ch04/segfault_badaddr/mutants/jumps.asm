; caught by: reads the byte just below the image
; Jumps to the address instead of reading there.
section .text
global _start
_start:
    mov eax, 0x3fffff
    jmp rax                     ; an instruction fetch is not a read
