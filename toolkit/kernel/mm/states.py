"""What is behind pages, told without changing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.abi.memory import (
    PAGE_SHIFT,
    PAGE_SIZE,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_FRAME_MASK,
    PTE_WRITABLE,
)
from toolkit.kernel.mm.frames import ANONYMOUS, FIXED
from toolkit.kernel.mm.residence import GUARD, RESIDENT, is_swapped, swap_slot

if TYPE_CHECKING:
    from toolkit.kernel.mm.areas import Area
    from toolkit.kernel.mm.space import AddressSpace


class PageState(NamedTuple):
    """One page of a process. ``frame`` is None when it is not resident; ``swap`` is the slot it was written to.

    ``sharers`` counts the page-table entries that show the frame; ``anonymous`` tells the process's own memory from
    the page cache's; ``dirty`` includes what the page cache has still to write back. ``zero`` is the shared zero page. ``guard``:
    MADV_GUARD_INSTALL made the page one that no access may touch.
    """

    address: int
    frame: int | None
    swap: int | None
    sharers: int
    writable: bool
    dirty: bool
    accessed: bool
    anonymous: bool
    zero: bool
    guard: bool


def page_state(space: AddressSpace, address: int) -> PageState:
    """The state of the page that contains ``address``."""
    return _state(space, space.areas.find(address), address & ~4095, space.table.entry(address))


def page_runs(space: AddressSpace, area: Area) -> list[list[int]]:
    """Neighbouring pages in one state: [address, count, resident, anonymous, dirty, accessed, sharers, lazy].

    Resident and swapped pages, pages of a memory file on swap too; the zero page is left out.
    """
    runs: list[list[int]] = []
    end, last = -1, (0, 0, 0, 0, 0, 0)
    for address, slot, count in space.table.slots(area.start, area.end):
        for position, entry in enumerate(space.table.words[slot : slot + count].tolist()):
            if not entry:
                continue
            page = address + (position << PAGE_SHIFT)
            state = _entry_state(space, area, page, entry)
            if state is None:
                continue
            if state == last and page == end:
                runs[-1][1] += 1
            else:
                runs.append([page, 1, *state])
            last, end = state, page + PAGE_SIZE
    if area.backing is not None and area.backing.pages.swapped:
        runs += _swapped_file_pages(area)
        runs.sort()
    return runs


def _entry_state(
    space: AddressSpace, area: Area, page: int, entry: int
) -> tuple[int, int, int, int, int, int] | None:
    """(resident, anonymous, dirty, accessed, sharers, lazy) of an entry that is not 0; None for the zero page and guards."""
    frames = space.frames
    if entry == GUARD:
        return None
    if not entry & RESIDENT:
        return 0, 1, 0, 0, frames.swap.references[swap_slot(entry)], 0
    frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
    index = frame - frames.first
    kind = frames.kind[index]
    if kind == FIXED:
        return None
    dirty = 1 if entry & PTE_DIRTY else 0
    if kind != ANONYMOUS and not dirty and area.backing.pages.dirty:
        dirty = 1 if area.page_offset(page) in area.backing.pages.dirty else 0
    lazy = 1 if frame in frames.lazy and not dirty else 0
    accessed = 1 if entry & PTE_ACCESSED or frame in frames.referenced else 0
    return 1, 1 if kind == ANONYMOUS else 0, dirty, accessed, frames.mappings[index], lazy


def _swapped_file_pages(area: Area) -> list[list[int]]:
    first, last = area.offset, area.offset + area.pages
    indices = [index for index in area.backing.pages.swapped if first <= index < last]
    return [[area.start + ((index - first) << PAGE_SHIFT), 1, 0, 0, 0, 0, 1, 0] for index in indices]


def _state(space: AddressSpace, area: Area | None, address: int, entry: int) -> PageState:
    frames = space.frames
    if not entry & RESIDENT:
        slot = swap_slot(entry) if is_swapped(entry) else None
        sharers = frames.swap.references[slot] if slot is not None else 0
        return PageState(
            address, None, slot, sharers, False, False, False, slot is not None, False, entry == GUARD
        )
    frame = (entry & PTE_FRAME_MASK) >> PAGE_SHIFT
    index = frame - frames.first
    kind = frames.kind[index]
    anonymous = kind == ANONYMOUS
    dirty = bool(entry & PTE_DIRTY)
    if not dirty and area is not None and area.backing is not None and not anonymous:
        dirty = area.page_offset(address) in area.backing.pages.dirty
    return PageState(
        address,
        frame,
        None,
        frames.mappings[index],
        bool(entry & PTE_WRITABLE),
        dirty,
        bool(entry & PTE_ACCESSED),
        anonymous,
        kind == FIXED,
        False,
    )
