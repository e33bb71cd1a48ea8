"""State in, text out: memory maps, page tables, ELF files, system calls. Nothing here changes what it shows."""
