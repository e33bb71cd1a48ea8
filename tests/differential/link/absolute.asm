global q
q equ 5
