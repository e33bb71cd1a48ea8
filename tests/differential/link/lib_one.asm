global one
extern two
section .text
one: call two
 ret
