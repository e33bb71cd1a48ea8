global bv
section .bss
bv: resb 4
loc: resb 4
