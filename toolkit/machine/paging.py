"""The page tables a machine keeps for itself, and the walk through those of the kernel (SDM volume 3, 4.5)."""

from __future__ import annotations

from toolkit.machine import segments
from toolkit.machine.physical import PAGE_SIZE

MACHINE_HALF = 256
MACHINE_BASE = 0xFFFF_8000_0000_0000
GDT_FRAME, FLAT_CODE_FRAME, MACHINE_PDPT, MACHINE_PD, MACHINE_PT, EMPTY_ROOT, SNIPPET_FRAME = range(1, 8)
FIRST_FREE_FRAME = 16
GDT_ADDRESS = MACHINE_BASE + GDT_FRAME * PAGE_SIZE
SNIPPET_ADDRESS = MACHINE_BASE + SNIPPET_FRAME * PAGE_SIZE

PRESENT, WRITABLE, USER, ACCESSED, LARGE = 1, 2, 4, 0x20, 0x80
TABLE_RIGHTS = PRESENT | WRITABLE | USER
FRAME_MASK = 0x000F_FFFF_FFFF_F000
ENTRIES = PAGE_SIZE // 8


def write_machine_tables(words: memoryview) -> None:
    """The descriptor table and the tables that map it, for supervisor accesses only."""
    for index, entry in enumerate(segments.table()):
        words[GDT_FRAME * ENTRIES + index] = entry
    words[MACHINE_PDPT * ENTRIES] = MACHINE_PD * PAGE_SIZE | TABLE_RIGHTS
    words[MACHINE_PD * ENTRIES] = MACHINE_PT * PAGE_SIZE | TABLE_RIGHTS
    words[MACHINE_PT * ENTRIES + GDT_FRAME] = GDT_FRAME * PAGE_SIZE | PRESENT | WRITABLE
    show_snippet(words, shown=False)
    share_machine_half(words, EMPTY_ROOT * PAGE_SIZE)


def share_machine_half(words: memoryview, root: int) -> None:
    """Make the machine's own page reachable under the root table at physical address `root`."""
    words[root // 8 + MACHINE_HALF] = MACHINE_PDPT * PAGE_SIZE | TABLE_RIGHTS


def show_snippet(words: memoryview, *, shown: bool) -> None:
    """Map or unmap the page of the machine's own few instructions, for user accesses."""
    entry = SNIPPET_FRAME * PAGE_SIZE | TABLE_RIGHTS
    words[MACHINE_PT * ENTRIES + SNIPPET_FRAME] = entry if shown else 0


def write_snippet(memory: memoryview, code: bytes, stack: bytes) -> int:
    """Put code, and what it finds on its stack, into the machine's page; the virtual RSP to run it with."""
    start = SNIPPET_FRAME * PAGE_SIZE
    memory[start : start + len(code)] = code
    top = start + PAGE_SIZE // 2
    memory[top : top + len(stack)] = stack
    return SNIPPET_ADDRESS + PAGE_SIZE // 2


def walk(words: memoryview, root: int, address: int) -> tuple[int, int]:
    """Follow the four levels: (place of the last entry in `words`, the entry). The entry is 0 when absent."""
    table, place = root, 0
    for shift in (39, 30, 21, 12):
        place = (table >> 3) + (address >> shift & 511)
        entry: int = words[place]
        if not entry & PRESENT:
            return place, 0
        table = entry & FRAME_MASK
    return place, entry


def read_code(memory: memoryview, words: memoryview, root: int, address: int, size: int) -> bytes:
    """Up to `size` bytes from virtual `address`; fewer where the next page is not present for users."""
    parts = []
    while size > 0:
        _, entry = walk(words, root, address)
        if not entry & USER:
            break
        start = (entry & FRAME_MASK) + (address & PAGE_SIZE - 1)
        step = min(size, PAGE_SIZE - (address & PAGE_SIZE - 1))
        parts.append(bytes(memory[start : start + step]))
        address, size = address + step, size - step
    return b"".join(parts)
