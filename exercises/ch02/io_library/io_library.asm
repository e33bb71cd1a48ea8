; io_library: functions for input and output.

section .text

global _start
global exit
global string_length
global print_string
global print_char
global print_newline
global print_uint
global print_int
global read_char
global read_word
global parse_uint
global parse_int
global string_equals
global string_copy

; rdi: status; never returns
exit:
    ; TODO
    ret

; rdi: string; returns rax: length
string_length:
    ; TODO
    ret

; rdi: string
print_string:
    ; TODO
    ret

; rdi: character
print_char:
    ; TODO
    ret

; no arguments
print_newline:
    ; TODO
    ret

; rdi: unsigned number
print_uint:
    ; TODO
    ret

; rdi: signed number
print_int:
    ; TODO
    ret

; returns rax: a byte, or 0 at the end
read_char:
    ; TODO
    ret

; rdi: buffer, rsi: size; returns rax: buffer or 0, rdx: length
read_word:
    ; TODO
    ret

; rdi: string; returns rax: number, rdx: digits
parse_uint:
    ; TODO
    ret

; rdi: string; returns rax: number, rdx: characters
parse_int:
    ; TODO
    ret

; rdi, rsi: strings; returns rax: 1 or 0
string_equals:
    ; TODO
    ret

; rdi: string, rsi: buffer, rdx: size; returns rax: buffer or 0
string_copy:
    ; TODO
    ret

_start:                         ; a place to try your functions
    mov eax, 60
    xor edi, edi
    syscall
