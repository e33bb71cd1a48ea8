"""SGDT, SIDT, SLDT, STR and SMSW, which user-mode instruction prevention forbids and Linux answers with constants.

arch/x86/kernel/umip.c: the addresses are of no use to anyone, the selectors and CR0 those of any Linux. A
32-bit destination register keeps its upper half, unlike after any real instruction.
"""

from __future__ import annotations

import struct
from typing import Any

from toolkit.machine.decode import Special
from toolkit.machine.paging import ACCESSED, FRAME_MASK, PRESENT, USER, WRITABLE, walk
from toolkit.machine.physical import PAGE_SIZE

DUMMY_GDT, DUMMY_IDT = 0xFFFF_FFFF_FFFE_0000, 0xFFFF_FFFF_FFFF_0000
TASK_REGISTER, LOCAL_TABLE, CR0_STATE = 0x40, 0, 0x8005_0033
PF_WRITE, DIRTY = 2, 0x40
VALUES = {"str": TASK_REGISTER, "sldt": LOCAL_TABLE, "smsw": CR0_STATE}


def stored(special: Special, bits: int) -> bytes:
    """What the instruction leaves in memory."""
    if special.name in ("sgdt", "sidt"):
        base = DUMMY_GDT if special.name == "sgdt" else DUMMY_IDT
        return struct.pack("<HQ", 0, base)[: 10 if bits == 64 else 6]
    return struct.pack("<H", VALUES[special.name] & 0xFFFF)


def set_register(special: Special, registers: Any) -> None:
    """The form with a destination register."""
    mask = (1 << 8 * special.size) - 1
    kept = registers[special.register] & ~mask
    registers[special.register] = kept | VALUES[special.name] & mask


def writable_places(
    words: memoryview, root: int, address: int, size: int
) -> tuple[list[tuple[int, int]], int | None]:
    """Physical stretches (start, length) of a store, and None; or nothing and the address that may not be written."""
    places = []
    end = address + size
    while address < end:
        at, entry = walk(words, root, address)
        if entry & (USER | WRITABLE) != USER | WRITABLE:
            return [], address
        words[at] = entry | ACCESSED | DIRTY
        offset = address & PAGE_SIZE - 1
        length = min(end - address, PAGE_SIZE - offset)
        places.append(((entry & FRAME_MASK) + offset, length))
        address += length
    return places, None


def write_fault(words: memoryview, root: int, address: int) -> int:
    """The error code of the #PF that a store to `address` raises."""
    return USER | PF_WRITE | walk(words, root, address)[1] & PRESENT
