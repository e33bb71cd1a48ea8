"""The page-table walk of an address, and the state of each page of an area.

A walk shows what the CPU does to translate an address: four tables, nine bits of the address each
(Intel SDM volume 3, 4.5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi.memory import (
    PAGE_SIZE,
    PTE_ACCESSED,
    PTE_DIRTY,
    PTE_FRAME_MASK,
    PTE_NX,
    PTE_PRESENT,
    PTE_PROTNONE,
    PTE_USER,
    PTE_WRITABLE,
)
from toolkit.kernel.fs.procfs_memory import maps_line
from toolkit.kernel.mm.residence import GUARD
from toolkit.kernel.mm.snapshot import take_snapshot

if TYPE_CHECKING:
    from toolkit.kernel.mm.page_table import Step
    from toolkit.kernel.mm.space import AddressSpace
    from toolkit.kernel.mm.states import PageState

_FLAGS = (
    (PTE_PRESENT, "present"),
    (PTE_WRITABLE, "writable"),
    (PTE_USER, "user"),
    (PTE_ACCESSED, "accessed"),
    (PTE_DIRTY, "dirty"),
    (PTE_PROTNONE, "no-access"),
    (PTE_NX, "no-execute"),
)


def entry_words(entry: int) -> str:
    """``frame 0x1f present writable user``; ``empty``; a swapped page says so."""
    if not entry:
        return "empty"
    if entry == GUARD:
        return "not present: a guard"
    if not entry & (PTE_PRESENT | PTE_PROTNONE):
        return f"not present: swap slot {(entry >> 12) - 1}"
    names = [name for bit, name in _FLAGS if entry & bit]
    return f"frame {(entry & PTE_FRAME_MASK) >> 12:#x} {' '.join(names)}"


def walk(space: AddressSpace, address: int) -> str:
    """The levels for one address: table, index, entry, flags; then the physical address or why there is none."""
    area = next(
        (row for row in take_snapshot(space, pages=False).areas if row.start <= address < row.end), None
    )
    lines = [
        f"address {address:#018x}",
        f"area    {maps_line(area) if area is not None else 'none: not mapped'}",
    ]
    lines.append(f"{'level':<6}{'bits':<8}{'index':>6}  {'table':<11}{'entry':<20}meaning")
    steps = space.walk(address)
    for step, bits in zip(steps, ("47-39", "38-30", "29-21", "20-12"), strict=False):
        lines.append(
            f"{step.level:<6}{bits:<8}{step.position:>6}  {f'frame {step.frame:#x}':<10} {step.entry:#018x}  {entry_words(step.entry)}"
        )
    lines.append(_conclusion(space, address, steps))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _conclusion(space: AddressSpace, address: int, steps: list[Step]) -> str:
    last = steps[-1]
    if len(steps) == 4 and last.entry & PTE_PRESENT:
        place = (last.entry & PTE_FRAME_MASK) | address & (PAGE_SIZE - 1)
        return f"offset  11-0    {address & (PAGE_SIZE - 1):#x}\nphysical address {place:#x}"
    if space.area_at(address) is None:
        return "page fault: nothing is mapped here, so an access ends in SIGSEGV"
    if last.entry == GUARD and len(steps) == 4:
        return "page fault: the page is a guard (MADV_GUARD_INSTALL), so an access ends in SIGSEGV"
    if last.entry & PTE_PROTNONE and len(steps) == 4:
        return "page fault: the area allows no access, so an access ends in SIGSEGV"
    return "page fault: the area is mapped, so the kernel finds a page on the first access"


def pages(space: AddressSpace, address: int | None = None) -> str:
    """The pages that are resident or swapped, area by area; only the area of ``address`` if one is given."""
    lines = [f"{'page':<20}{'frame':<10}{'':<10}{'sharers':>7}  state"]
    for area in space.areas:
        if address is not None and not area.start <= address < area.end:
            continue
        for start in _touched(space, area.start, area.end):
            lines.append(page_line(space.page_state(start)))
    return "\n".join(lines) + "\n"


def _touched(space: AddressSpace, start: int, end: int) -> list[int]:
    found: list[int] = []
    for first, slot, count in space.table.slots(start, end):
        entries = space.table.words[slot : slot + count].tolist()
        found += [first + position * PAGE_SIZE for position, entry in enumerate(entries) if entry]
    return found


def page_line(state: PageState) -> str:
    """One page: address, frame, whose it is, how many entries show it, and its bits."""
    if state.guard:
        where, kind, names = "none", "guard", ["refused"]
    elif state.frame is None:
        where = f"slot {state.swap}"
        kind, names = "swap", ["swapped"]
    else:
        where = f"{state.frame:#x}"
        kind = "zero page" if state.zero else "anonymous" if state.anonymous else "file"
        names = ["present"]
        flags = (("writable", state.writable), ("accessed", state.accessed), ("dirty", state.dirty))
        names += [name for name, is_set in flags if is_set]
    return f"{state.address:#018x}  {where:<10}{kind:<10}{state.sharers:>7}  {' '.join(names)}"
