; string equals prefix
; caught by: string_equals
; Functions for input and output.

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
    mov eax, 60
    syscall

; rdi: string; returns rax: length
string_length:
    xor eax, eax
.next:
    cmp byte [rdi + rax], 0
    je .done
    inc rax
    jmp .next
.done:
    ret

; rdi: string
print_string:
    push rdi
    call string_length
    pop rsi
    mov rdx, rax
    mov eax, 1
    mov edi, 1
    syscall
    ret

; no arguments
print_newline:
    mov edi, 10
; rdi: character
print_char:
    push rdi                    ; a byte on the stack has an address
    mov eax, 1
    mov edi, 1
    mov rsi, rsp
    mov edx, 1
    syscall
    pop rdi
    ret

; rdi: signed number
print_int:
    test rdi, rdi
    jns print_uint
    push rdi
    mov edi, '-'
    call print_char
    pop rdi
    neg rdi
; rdi: unsigned number
print_uint:
    mov rax, rdi
    mov r8, rsp
    sub rsp, 24                 ; 20 digits and a zero
    dec r8
    mov byte [r8], 0
    mov ecx, 10
.next:
    xor edx, edx
    div rcx
    add dl, '0'
    dec r8
    mov [r8], dl
    test rax, rax
    jnz .next
    mov rdi, r8
    call print_string
    add rsp, 24
    ret

; returns rax: a byte, or 0 at the end
read_char:
    push 0
    xor eax, eax
    xor edi, edi
    mov rsi, rsp
    mov edx, 1
    syscall
    pop rax                     ; still 0 if nothing came
    ret

; rdi: buffer, rsi: size; returns rax: buffer or 0, rdx: length
read_word:
    push rbx
    push r12
    push r13
    mov rbx, rdi
    mov r12, rsi
    xor r13d, r13d              ; characters so far
.skip:
    call read_char
    call is_space
    je .skip
.store:
    test al, al
    jz .end
    cmp r13, r12
    jae .too_long
    mov [rbx + r13], al
    inc r13
    call read_char
    call is_space
    jne .store
.end:
    cmp r13, r12
    jae .too_long               ; the zero needs a place too
    mov byte [rbx + r13], 0
    mov rax, rbx
    mov rdx, r13
    jmp .return
.too_long:
    xor eax, eax
.return:
    pop r13
    pop r12
    pop rbx
    ret

; al: character; sets the zero flag if it is white space
is_space:
    cmp al, ' '
    je .done
    cmp al, 9
    je .done
    cmp al, 10
.done:
    ret

; rdi: string; returns rax: number, rdx: digits
parse_uint:
    xor eax, eax
    xor edx, edx
.next:
    movzx ecx, byte [rdi + rdx]
    sub ecx, '0'
    cmp ecx, 9
    ja .done                    ; characters below '0' wrapped around to large numbers
    imul rax, rax, 10
    add rax, rcx
    inc rdx
    jmp .next
.done:
    ret

; rdi: string; returns rax: number, rdx: characters
parse_int:
    mov cl, [rdi]
    cmp cl, '-'
    je .signed
    cmp cl, '+'
    jne parse_uint
.signed:
    push rcx
    inc rdi
    call parse_uint
    pop rcx
    test rdx, rdx
    jz .done                    ; a sign without digits is no number
    inc rdx
    cmp cl, '-'
    jne .done
    neg rax
.done:
    ret

; rdi, rsi: strings; returns rax: 1 or 0
string_equals:
    xor eax, eax
    xor ecx, ecx
.next:
    mov dl, [rdi + rcx]
    test dl, dl
    jz .equal
    cmp dl, [rsi + rcx]
    jne .done
    inc rcx
    test dl, dl
    jnz .next
.equal:
    inc eax
.done:
    ret

; rdi: string, rsi: buffer, rdx: size; returns rax: buffer or 0
string_copy:
    xor eax, eax
    xor ecx, ecx
.next:
    cmp rcx, rdx
    jae .done
    mov r8b, [rdi + rcx]
    mov [rsi + rcx], r8b
    inc rcx
    test r8b, r8b
    jnz .next
    mov rax, rsi
.done:
    ret

_start:
    xor edi, edi
    call exit
