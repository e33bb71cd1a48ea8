; caught by: has a page of data that it may write
; The number lies in the code.
section .text
global _start
_start:
    jmp _start
number: dq 42                   ; the data lies between the code: read-only and executable
