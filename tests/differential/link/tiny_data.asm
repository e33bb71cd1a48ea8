global _start
section .data
_start: db 0xc3
