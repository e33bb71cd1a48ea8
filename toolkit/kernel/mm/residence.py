"""Entries of page tables: setting, clearing and changing them, and keeping the counts of resident pages right."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.abi.memory import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_FRAME_MASK,
    PTE_KEY_SHIFT,
    PTE_NX,
    PTE_PRESENT,
    PTE_PROTNONE,
    PTE_USER,
    PTE_WRITABLE,
    VM_ACCESS,
    VM_EXEC,
    VM_MAYBE_GUARD,
    VM_PKEY_EXECUTE_ONLY,
    VM_RAND_READ,
    VM_SEQ_READ,
    VM_SHARED,
    VM_WRITE,
)
from toolkit.kernel.mm.frames import ANONYMOUS, FILE, FIXED, SHMEM

if TYPE_CHECKING:
    from toolkit.kernel.mm.areas import Area
    from toolkit.kernel.mm.page_cache import PageCache
    from toolkit.kernel.mm.space import AddressSpace

RESIDENT = PTE_PRESENT | PTE_PROTNONE
_READABLE = PTE_PRESENT | PTE_USER | PTE_ACCESSED
_PROTECTION = tuple(
    (_READABLE if rights else PTE_PROTNONE | PTE_ACCESSED) | (0 if rights & VM_EXEC else PTE_NX)
    for rights in range(8)
)
_EXECUTE_ONLY = _PROTECTION[VM_EXEC] | 1 << PTE_KEY_SHIFT

SWAP_SHIFT = 12
"""A swapped page's entry is its slot + 1, shifted left by this; PRESENT and PROTNONE are clear."""

GUARD = 1 << 9
"""The entry of a page that MADV_GUARD_INSTALL has made a guard (PTE_MARKER_GUARD): it stands for no frame and no slot.

Invariant: an area with such entries has VM_MAYBE_GUARD."""

_NOTHING = memoryview(array("Q", bytes(512 * 8)))


def protection(flags: int) -> int:
    """Entry bits for an area's flags, without the writable one: whether a page may be written depends on who shares it.

    The pages of an execute-only area have protection key 1.
    """
    return _EXECUTE_ONLY if flags & VM_PKEY_EXECUTE_ONLY else _PROTECTION[flags & VM_ACCESS]


def swap_entry(slot: int) -> int:
    """The entry that stands for a swap slot."""
    return (slot + 1) << SWAP_SHIFT


def is_swapped(entry: int) -> bool:
    """Whether an entry stands for a swap slot."""
    return not entry & RESIDENT and entry not in (0, GUARD)


def swap_slot(entry: int) -> int:
    """The slot an entry names. Precondition: the entry is swapped."""
    return (entry >> SWAP_SHIFT) - 1


def attach(space: AddressSpace, slot: int, entry: int, frame: int, rights: int) -> None:
    """Store an entry that points at ``frame``, which is counted for the first time here."""
    frames = space.frames
    index = frame - frames.first
    frames.mappings[index] += 1
    kind = frames.kind[index]
    if kind != FIXED:
        space.resident[kind] += 1
    if rights & VM_EXEC:
        frames.show_executable(index)
    space.table.words[slot] = frame << PAGE_SHIFT | entry


def detach(space: AddressSpace, entry: int) -> None:
    """An entry that was resident or swapped has gone: drop what it held."""
    frames = space.frames
    if not entry & RESIDENT:
        frames.release_slot(swap_slot(entry))
        space.swap_entries -= 1
        return
    frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
    index = frame - frames.first
    kind = frames.kind[index]
    frames.mappings[index] -= 1
    if kind == FIXED:
        return
    space.resident[kind] -= 1
    # A page whose slot other processes still name stays for them (free_swap_cache).
    if kind == ANONYMOUS and not frames.mappings[index] and frame not in frames.swap.slot_of:
        frames.free(frame)


def note_peak(space: AddressSpace) -> None:
    """Keep VmHWM before the number of resident pages falls (update_hiwater_rss)."""
    space.peak_resident = max(space.peak_resident, space.resident_pages)


def zap(space: AddressSpace, area: Area, start: int, end: int) -> None:
    """Clear the entries of [start, end), part of ``area``; dirty bits go to the page cache (zap_page_range).

    Guards stay.
    """
    note_peak(space)
    words = space.table.words
    shared = area.flags & VM_SHARED
    # What was read in an order of its own is not worth keeping (vma_has_recency).
    noted = area.backing is not None and not area.flags & (VM_SEQ_READ | VM_RAND_READ)
    flush = False
    for address, slot, count in space.table.slots(start, end):
        part = words[slot : slot + count]
        entries = part.tolist()
        if not any(entries):
            continue
        part[:] = _NOTHING[:count]
        flush = True
        for position, entry in enumerate(entries):
            if entry == GUARD:
                part[position] = GUARD
            elif entry:
                if shared and entry & PTE_DIRTY:
                    area.backing.pages.dirty.add(area.page_offset(address + (position << PAGE_SHIFT)))
                if noted and entry & PTE_ACCESSED:
                    _note_use(space, entry)
                detach(space, entry)
    if flush:
        space.machine.flush_tlb()


def unmap(space: AddressSpace, area: Area) -> None:
    """As zap, for all of an area that goes: its guards go too (ZAP_FLAG_DROP_MARKER)."""
    zap(space, area, area.start, area.end)
    if area.flags & VM_MAYBE_GUARD:
        remove_guards(space, area.start, area.end)


def install_guards(space: AddressSpace, start: int, end: int) -> None:
    """Make every page of [start, end) a guard. Precondition: nothing else is behind them. Raises OutOfMemoryError."""
    for address in range(start, end, PAGE_SIZE):
        space.table.words[space.table.slot(address)] = GUARD


def remove_guards(space: AddressSpace, start: int, end: int) -> None:
    """Guards in [start, end) are pages that were never touched again."""
    words = space.table.words
    for _, slot, count in space.table.slots(start, end):
        for position, entry in enumerate(words[slot : slot + count].tolist(), slot):
            if entry == GUARD:
                words[position] = 0


def _note_use(space: AddressSpace, entry: int) -> None:
    """The entry of a used page goes: a file's page keeps that in mind."""
    frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
    if space.frames.kind[frame - space.frames.first] in (FILE, SHMEM):
        space.frames.mark_accessed(frame)


def may_write(space: AddressSpace, area: Area, entry: int) -> bool:
    """Whether an entry of a writable area can be made writable without a fault (can_change_pte_writable)."""
    frames = space.frames
    frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
    index = frame - frames.first
    if area.flags & VM_SHARED:
        return bool(entry & PTE_DIRTY) or frames.kind[index] == SHMEM
    return (
        frames.kind[index] == ANONYMOUS and frames.mappings[index] == 1 and frame not in frames.swap.slot_of
    )


def protect(space: AddressSpace, area: Area, start: int, end: int) -> None:
    """Rewrite the rights of resident entries in [start, end) as ``area`` says now (change_protection)."""
    words, frames = space.table.words, space.frames
    bits = protection(area.flags)
    writable, executable = area.flags & VM_WRITE, area.flags & VM_EXEC
    keep = PTE_FRAME_MASK | PTE_ACCESSED | PTE_DIRTY
    clear_accessed = ~PTE_ACCESSED
    for _, slot, count in space.table.slots(start, end):
        for position, entry in enumerate(words[slot : slot + count].tolist(), slot):
            if not entry & RESIDENT:
                continue
            new = entry & keep | bits & clear_accessed
            if writable and may_write(space, area, entry):
                new |= PTE_WRITABLE
            if executable:
                frames.show_executable(((entry & PTE_FRAME_MASK) >> PAGE_SHIFT) - frames.first)
            words[position] = new
    space.machine.flush_tlb()


def move(space: AddressSpace, old: int, new: int, length: int) -> None:
    """Move the entries of ``length`` bytes from ``old`` to ``new`` (move_page_tables). Raises OutOfMemoryError."""
    table, words = space.table, space.table.words
    for address, slot, count in list(table.slots(old, old + length)):
        for position, entry in enumerate(words[slot : slot + count].tolist()):
            if entry:
                # Making the table may reclaim this very page: only then is its entry taken.
                target = table.slot(new + (address - old) + (position << PAGE_SHIFT))
                words[slot + position], words[target] = 0, words[slot + position]
    space.machine.flush_tlb()


def _shown(
    space: AddressSpace, cache: PageCache, first: int, last: int | None
) -> Iterator[tuple[Area, int, int]]:
    """The areas that show pages [first, last) of a cache, with the addresses where those begin and end."""
    for area in list(space.areas):
        if area.backing is None or area.backing.pages is not cache:
            continue
        start = area.start + (max(first - area.offset, 0) << PAGE_SHIFT)
        end = area.end if last is None else min(area.end, area.start + ((last - area.offset) << PAGE_SHIFT))
        if start < end:
            yield area, start, end


def collect_dirty(space: AddressSpace, cache: PageCache, first: int, last: int | None) -> None:
    """Move dirty bits of shared mappings of a cache's pages to it and write-protect the entries (page_mkclean)."""
    words = space.table.words
    for area, start, end in _shown(space, cache, first, last):
        if not area.flags & VM_SHARED:
            continue
        for address, slot, count in space.table.slots(start, end):
            for position, entry in enumerate(words[slot : slot + count].tolist()):
                if entry & RESIDENT and entry & PTE_DIRTY:
                    cache.dirty.add(area.page_offset(address + (position << PAGE_SHIFT)))
                    words[slot + position] = entry & ~(PTE_DIRTY | PTE_WRITABLE)
    space.machine.flush_tlb()


def unmap_file_pages(
    space: AddressSpace, cache: PageCache, first: int, last: int | None, *, copies: bool
) -> None:
    """Remove the entries of pages [first, last) of a cache (unmap_mapping_range); with ``copies`` private ones too."""
    for area, start, end in _shown(space, cache, first, last):
        if copies:
            zap(space, area, start, end)
        else:
            _zap_kinds(space, area, start, end)


def _zap_kinds(space: AddressSpace, area: Area, start: int, end: int) -> None:
    """As zap, but private copies stay."""
    words, frames = space.table.words, space.frames
    note_peak(space)
    for address, slot, count in space.table.slots(start, end):
        for position, entry in enumerate(words[slot : slot + count].tolist()):
            if not entry & RESIDENT:
                continue
            frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
            if frames.kind[frame - frames.first] in (FILE, SHMEM):
                if entry & PTE_DIRTY and area.flags & VM_SHARED:
                    area.backing.pages.dirty.add(area.page_offset(address + (position << PAGE_SHIFT)))
                if entry & PTE_ACCESSED:
                    _note_use(space, entry)
                words[slot + position] = 0
                detach(space, entry)
    space.machine.flush_tlb()
