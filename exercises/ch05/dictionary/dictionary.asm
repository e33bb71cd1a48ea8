; dictionary: a linked list of words.

%define last 0

; colon "key", label: a new word whose text follows; its link is the word before
%macro colon 2
    ; TODO
%endmacro

section .rodata

colon "third word", third_word
db "third word explanation", 0

colon "second word", second_word
db "second word explanation", 0

colon "first word", first_word
db "first word explanation", 0

global dictionary
dictionary: dq last

section .text
global _start
global find_word

; rdi: string, rsi: last word of a dictionary
; returns rax: address of the word, or 0
find_word:
    ; TODO
    ret

_start:
    ; TODO: read a line, find it, print its explanation
    mov eax, 60
    mov edi, 1
    syscall
