"""What is behind pages, told without changing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.abi.memory import (
    PAGE_SHIFT,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_FRAME_MASK,
    PTE_WRITABLE,
)
from toolkit.kernel.mm.frames import ANONYMOUS, FIXED
from toolkit.kernel.mm.residence import RESIDENT, swap_slot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.kernel.mm.areas import Area
    from toolkit.kernel.mm.space import AddressSpace


class PageState(NamedTuple):
    """One page of a process. ``frame`` is None when it is not resident; ``swap`` is the slot it was written to.

    ``sharers`` counts the page-table entries that show the frame; ``anonymous`` tells the process's own memory from
    the page cache's; ``dirty`` includes what the page cache has still to write back. ``zero`` is the shared zero page.
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


def page_state(space: AddressSpace, address: int) -> PageState:
    """The state of the page that contains ``address``."""
    return _state(space, space.areas.find(address), address & ~4095, space.table.entry(address))


def area_pages(space: AddressSpace, area: Area) -> Iterator[PageState]:
    """The pages of an area that are resident or swapped, in order."""
    words = space.table.words
    for address, slot, count in space.table.slots(area.start, area.end):
        for position, entry in enumerate(words[slot : slot + count].tolist()):
            if entry:
                yield _state(space, area, address + (position << PAGE_SHIFT), entry)


def _state(space: AddressSpace, area: Area | None, address: int, entry: int) -> PageState:
    frames = space.frames
    if not entry & RESIDENT:
        slot = swap_slot(entry) if entry else None
        sharers = frames.swap.references[slot] if slot is not None else 0
        return PageState(address, None, slot, sharers, False, False, False, slot is not None, False)
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
    )
