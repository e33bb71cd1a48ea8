; mappings_loop: a program that never ends, so that there is time to look at its memory.
;
;   toolkit maps mappings_loop --at step:100
;
; On Linux you would start it in the background and read /proc/PID/maps.

section .data
number: dq 42                   ; eight bytes that the program may change: a page with rights rw-

section .text
global _start

_start:
    jmp _start                  ; the address of this instruction lies in a page with rights r-x
