global shared_table
section .data
align 32
shared_table: times 16 dd 42
