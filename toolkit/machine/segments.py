"""The descriptor table of Linux on x86-64 (arch/x86/include/asm/segment.h), as far as a program can see it."""

from __future__ import annotations

KERNEL32_CS, KERNEL_CS, KERNEL_DS = 0x08, 0x10, 0x18
USER32_CS, USER_DS, USER_CS = 0x23, 0x2B, 0x33
FIRST_TLS_ENTRY, TLS_ENTRIES = 12, 3
CPU_NODE_ENTRY = 15
ENTRIES = 16

_FIXED = {
    1: 0x00CF9B000000FFFF,
    2: 0x00AF9B000000FFFF,
    3: 0x00CF93000000FFFF,
    4: 0x00CFFB000000FFFF,
    5: 0x00CFF3000000FFFF,
    6: 0x00AFFB000000FFFF,
}


def descriptor(base: int, limit: int, access: int, flags: int) -> int:
    """An 8-byte segment descriptor. `access` is the type byte, `flags` the upper four bits (G, D, L, AVL)."""
    return (
        (limit & 0xFFFF)
        | (base & 0xFFFFFF) << 16
        | access << 40
        | (limit >> 16 & 0xF) << 48
        | flags << 52
        | (base >> 24 & 0xFF) << 56
    )


def table(cpu: int = 0, node: int = 0) -> list[int]:
    """The 16 descriptors; the last one's limit tells `lsl` the processor's number, as the vdso reads it."""
    entries = [_FIXED.get(index, 0) for index in range(ENTRIES)]
    entries[CPU_NODE_ENTRY] = descriptor(0, node << 12 | cpu, 0xF5, 0x4)
    return entries
