global ex
ex: dd 1
section .data
dd 0
