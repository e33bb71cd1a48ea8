global three
section .text
three: ret
