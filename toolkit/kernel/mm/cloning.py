"""fork's copy of an address space: pages are shared and write-protected on both sides (mm/mmap.c dup_mmap).

As in Linux, entries are copied only for areas that have private pages of their own, or guards; the child faults the rest in again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    PAGE_SHIFT,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_FRAME_MASK,
    PTE_WRITABLE,
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYBE_GUARD,
    VM_SHARED,
    VM_WIPEONFORK,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm import accounting, mapping
from toolkit.kernel.mm.areas import Area
from toolkit.kernel.mm.frames import FIXED, OutOfMemoryError
from toolkit.kernel.mm.merging import inherited
from toolkit.kernel.mm.residence import RESIDENT, is_swapped, swap_slot

if TYPE_CHECKING:
    from toolkit.kernel.mm.space import AddressSpace, Limits


def clone(space: AddressSpace, limits: Limits | None) -> AddressSpace:
    """See AddressSpace.clone."""
    child = type(space)(
        space.machine, space.frames, space.layout, limits if limits is not None else space.limits
    )
    child.mmap_base = space.mmap_base
    child.places = replace(space.places)
    child.max_map_count = space.max_map_count
    child.oom_score_adj = space.oom_score_adj
    child.uses_keys = space.uses_keys
    try:
        for area in space.areas:
            if not area.flags & VM_DONTCOPY:
                _copy_area(space, child, area)
    except OutOfMemoryError as error:
        mapping.release(child)
        raise SyscallError(Errno.ENOMEM) from error
    except SyscallError:
        mapping.release(child)
        raise
    space.machine.flush_tlb()
    return child


def _copy_area(space: AddressSpace, child: AddressSpace, area: Area) -> None:
    """One area and, if it has private pages, its entries. Raises ENOMEM, OutOfMemoryError."""
    if area.flags & VM_ACCOUNT:
        accounting.charge(space, area.pages)
    wiped = bool(area.flags & VM_WIPEONFORK)
    group, chain = (None, ()) if wiped else inherited(area)
    flags = area.flags & ~(VM_LOCKED | VM_LOCKONFAULT)
    child.areas.insert(area._replace(flags=flags, group=group, chain=chain))
    child.changed_areas(area.pages)
    if not wiped and (group is not None or area.flags & VM_MAYBE_GUARD):
        _copy_entries(space, child, area)


def _copy_entries(space: AddressSpace, child: AddressSpace, area: Area) -> None:
    """Share each resident page of an area; private ones lose the right to be written."""
    words = space.table.words
    keep = -1 if area.flags & VM_SHARED else ~PTE_WRITABLE
    young = ~(PTE_ACCESSED | PTE_DIRTY) if area.flags & VM_SHARED else ~PTE_ACCESSED
    for address, slot, count in space.table.slots(area.start, area.end):
        entries = words[slot : slot + count].tolist()
        if not any(entries):
            continue
        # Count first: making the child's table may reclaim pages of this very area.
        target = child.table.slot(address)
        entries = [entry & keep for entry in words[slot : slot + count].tolist()]
        _count(child, entries)
        for position, entry in enumerate(entries):
            if entry:
                words[slot + position] = entry
                child.table.words[target + position] = entry & young


def _count(child: AddressSpace, entries: list[int]) -> None:
    """The child's entries hold their frames and swap slots too."""
    frames = child.frames
    mappings, kinds, first = frames.mappings, frames.kind, frames.first
    resident = child.resident
    for entry in entries:
        if entry & RESIDENT:
            index = ((entry & PTE_FRAME_MASK) >> PAGE_SHIFT) - first
            mappings[index] += 1
            kind = kinds[index]
            if kind != FIXED:
                resident[kind] += 1
        elif is_swapped(entry):
            frames.swap.hold(swap_slot(entry))
            child.swap_entries += 1
