"""Getting frames back when none is free: the clock over page tables with a second chance, swap, and MADV_FREE.

A hand goes round all address spaces. A page whose accessed bit is set loses the bit and stays; one found
without it is unmapped: a file's page stays in the cache, which gives it up if nothing else maps it; an
anonymous page goes to swap.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from toolkit.abi.memory import (
    PAGE_SHIFT,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_FRAME_MASK,
    VM_DROPPABLE,
    VM_LOCKED,
    VM_PFNMAP,
    VM_SHARED,
)
from toolkit.kernel.mm.frames import ANONYMOUS, FILE, FIXED, SHMEM, Frames
from toolkit.kernel.mm.residence import GUARD, RESIDENT, detach, note_peak, swap_entry

if TYPE_CHECKING:
    from toolkit.kernel.mm.areas import Area
    from toolkit.kernel.mm.page_cache import PageCache
    from toolkit.kernel.mm.space import AddressSpace

BATCH = 32
"""Frames freed in one go (SWAP_CLUSTER_MAX)."""


class Reclaimer:
    """The clock. Its hand is a place: an address space and an address in it."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self._space: AddressSpace | None = None
        self._address = 0

    def __call__(self) -> bool:
        """Free up to BATCH frames; false when two rounds found none."""
        before = self.frames.free_count
        self._drop_unmapped(BATCH)
        if self.frames.free_count == before:
            for _ in range(2 * len(self.frames.spaces)):
                self._sweep()
                self._drop_unmapped(BATCH)
                if self.frames.free_count > before:
                    break
        return self.frames.free_count > before

    def _sweep(self) -> None:
        """Go on through one address space until enough pages were unmapped or it ends."""
        spaces = list(self.frames.spaces)
        if self._space not in self.frames.spaces:
            self._space, self._address = spaces[0], 0
        assert self._space is not None
        space, taken = self._space, 0
        note_peak(space)
        for area in list(space.areas):
            if area.end <= self._address or area.flags & (VM_LOCKED | VM_PFNMAP):
                continue
            start, stuck = max(area.start, self._address), self._is_stuck(area)
            for address, slot, count in space.table.slots(start, area.end):
                if stuck:
                    _make_unused(space, slot, count)
                    continue
                for position, entry in enumerate(space.table.words[slot : slot + count].tolist()):
                    if not entry & RESIDENT:
                        continue
                    taken += take_page(space, area, address + (position << PAGE_SHIFT), slot + position)
                    if taken >= BATCH:
                        self._address = address + ((position + 1) << PAGE_SHIFT)
                        space.machine.flush_tlb()
                        return
        space.machine.flush_tlb()
        self._space, self._address = spaces[(spaces.index(space) + 1) % len(spaces)], 0

    def _is_stuck(self, area: Area) -> bool:
        """Whether no page of the area can go: private memory, all of it in use, and no room in swap."""
        swap = self.frames.swap
        full = len(swap.references) >= swap.size and not swap.slot_of
        return full and area.backing is None and not area.flags & VM_DROPPABLE and not self.frames.lazy

    def _drop_unmapped(self, wanted: int) -> None:
        """Give up pages of the caches that nothing maps."""
        for frame in list(self.frames.swap.slot_of):
            free_unmapped(self.frames, frame)
        for cache in list(self.frames.caches):
            wanted -= drop_unmapped(cache, wanted)
            if wanted <= 0:
                return


def _make_unused(space: AddressSpace, slot: int, count: int) -> None:
    """Forget that the pages of these entries were used."""
    part = space.table.words[slot : slot + count]
    part[:] = memoryview(
        array("Q", [entry & ~PTE_ACCESSED if entry & RESIDENT else entry for entry in part.tolist()])
    )


def take_page(space: AddressSpace, area: Area, address: int, slot: int, *, now: bool = False) -> bool:
    """Unmap one page unless it was used lately (``now``: even then) or can't go. Whether it was unmapped."""
    frames, words = space.frames, space.table.words
    entry = words[slot]
    if not entry & RESIDENT:
        return False
    if entry & PTE_ACCESSED and not now:
        words[slot] = entry & ~PTE_ACCESSED
        return False
    frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
    kind = frames.kind[frame - frames.first]
    if kind == FIXED or (area.backing is not None and area.name is not None and area.backing.inode == 0):
        return False
    given_up = area.flags & VM_DROPPABLE or (frame in frames.lazy and not entry & PTE_DIRTY)
    if kind == ANONYMOUS and not given_up:
        if not frames.swap.has_room(frame):
            return False
        number = frames.swap.store(frame, frames.read(frame))
        words[slot] = swap_entry(number)
        space.swap_entries += 1
        frames.lazy.discard(frame)  # written again, so it counts as the others from now on
    else:
        if entry & PTE_DIRTY and area.flags & VM_SHARED:
            area.backing.pages.dirty.add(area.page_offset(address))
        words[slot] = 0
    detach(space, entry)
    free_unmapped(frames, frame)
    return True


def free_unmapped(frames: Frames, frame: int) -> None:
    """Free an anonymous frame that only the swap cache holds."""
    index = frame - frames.first
    if frames.kind[index] == ANONYMOUS and not frames.mappings[index]:
        frames.free(frame)


def drop_unmapped(cache: PageCache, wanted: int) -> int:
    """Free up to ``wanted`` pages of a cache that no entry shows; dirty ones are written back first."""
    frames, dropped = cache.frames, 0
    for index, frame in list(cache.resident.items()):
        if dropped >= wanted:
            break
        if frames.mappings[frame - frames.first] or frames.kind[frame - frames.first] not in (FILE, SHMEM):
            continue
        if not _write_back(cache, index, frame):
            continue
        del cache.resident[index]
        frames.free(frame)
        dropped += 1
    return dropped


def _write_back(cache: PageCache, index: int, frame: int) -> bool:
    frames = cache.frames
    if cache.storage is None:
        number = frames.swap.store(frame, frames.read(frame))
        if number is None:
            return False
        cache.swapped[index] = number
    elif index in cache.dirty:
        cache.storage.store(index, frames.read(frame))
    cache.dirty.discard(index)
    if cache.storage is not None:
        cache.evicted.add(index)
    return True


def mark_free(space: AddressSpace, start: int, end: int) -> None:
    """MADV_FREE: private pages are marked and lose their dirty bit; until it is set again reclaim may drop them."""
    words, frames = space.table.words, space.frames
    for _, slot, count in space.table.slots(start, end):
        for position, entry in enumerate(words[slot : slot + count].tolist(), slot):
            if entry in (0, GUARD):
                continue
            if not entry & RESIDENT:
                words[position] = 0
                detach(space, entry)
                continue
            frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
            index = frame - frames.first
            if frames.kind[index] == ANONYMOUS and frame not in frames.swap.slot_of:
                if frames.mappings[index] == 1:  # others have not given it up
                    frames.lazy.add(frame)
                words[position] = entry & ~(PTE_DIRTY | PTE_ACCESSED)
    space.machine.flush_tlb()


def make_old(space: AddressSpace, start: int, end: int) -> None:
    """MADV_COLD: the next reclaim begins with these pages; those that others map too are left alone."""
    words, frames = space.table.words, space.frames
    for _, slot, count in space.table.slots(start, end):
        for position, entry in enumerate(words[slot : slot + count].tolist(), slot):
            frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
            if entry & RESIDENT and frames.mappings[frame - frames.first] == 1:
                words[position] = entry & ~PTE_ACCESSED
                frames.make_inactive(frame)
    space.machine.flush_tlb()


def page_out(space: AddressSpace, area: Area, start: int, end: int) -> None:
    """MADV_PAGEOUT: reclaim the pages now, those mapped elsewhere too left alone."""
    frames, words = space.frames, space.table.words
    note_peak(space)
    for address, slot, count in space.table.slots(start, end):
        for position, entry in enumerate(words[slot : slot + count].tolist()):
            frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
            if entry & RESIDENT and frames.mappings[frame - frames.first] == 1:
                take_page(space, area, address + (position << PAGE_SHIFT), slot + position, now=True)
    if area.backing is not None:
        drop_unmapped(area.backing.pages, len(area.backing.pages.resident))
    space.machine.flush_tlb()
