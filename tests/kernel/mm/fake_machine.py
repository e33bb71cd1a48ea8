"""A machine without a CPU: physical memory alone, and a program's accesses played through the page tables."""

from __future__ import annotations

from mmap import mmap
from typing import Any

from toolkit.abi.memory import PF_PRESENT, PF_USER, PF_WRITE, PTE_ACCESSED, PTE_DIRTY
from toolkit.kernel.mm.faults import Refused
from toolkit.kernel.mm.pages import Frames
from toolkit.kernel.mm.space import AddressSpace, FixedLimits
from toolkit.personality.linux_x86_64 import LAYOUT

__all__ = ["HEAP", "LAYOUT", "FakeMachine", "new_space", "touch"]

HEAP = 0x40_2000


class FakeMachine:
    """What memory management needs of a Machine."""

    def __init__(self, size: int = 16 << 20) -> None:
        self.memory_size = size
        self.bytes = memoryview(mmap(-1, size))
        self.words = self.bytes.cast("Q")
        self.first_free_frame = 2
        self.changed: list[int] = []

    def set_page_table(self, root: int) -> None:
        """There is no CPU to tell."""

    def flush_tlb(self) -> None:
        """There is no TLB."""

    def frame_changed(self, frame: int) -> None:
        self.changed.append(frame)


def new_space(
    size: int = 16 << 20, limits: dict[int, int] | None = None, privileged: bool = True, **options: Any
) -> AddressSpace:
    """A space with a heap at HEAP and nothing mapped."""
    machine = FakeMachine(size)
    frames = Frames(machine, **options)
    space = AddressSpace(machine, frames, LAYOUT, FixedLimits(limits or {}, privileged))
    space.places.start_brk = space.places.brk = HEAP
    return space


def touch(space: AddressSpace, address: int, *, write: bool = False) -> Refused | None:
    """What the CPU does for one access: walk, fault, try again; sets accessed and dirty."""
    for _ in range(4):
        entry = space.table.entry(address)
        if entry & 1 and (not write or entry & 2):
            slot = space.table.slot(address)
            space.table.words[slot] = entry | PTE_ACCESSED | (PTE_DIRTY if write else 0)
            return None
        result = space.fault(address, PF_USER | (PF_WRITE if write else 0) | (PF_PRESENT if entry & 1 else 0))
        if isinstance(result, Refused):
            return result
    raise AssertionError("the fault was said to be resolved, and the page still can't be used")
