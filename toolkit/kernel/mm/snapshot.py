"""A frozen picture of an address space: the areas as /proc/PID/maps shows them and the state of their pages.

It refers to no machine: it can be pickled, compared, rendered and graded anywhere. Every view of memory and
every renderer of /proc/PID/maps and smaps starts from one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from toolkit.abi.memory import (
    HUGE_PAGE_SIZE,
    PAGE_SHIFT,
    PAGE_SIZE,
    VM_EXEC,
    VM_HUGEPAGE,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_PKEY_EXECUTE_ONLY,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)
from toolkit.kernel.mm.areas import ADDRESS_END
from toolkit.kernel.mm.states import page_runs

if TYPE_CHECKING:
    from toolkit.kernel.mm.areas import Area
    from toolkit.kernel.mm.space import AddressSpace

FLAG_LETTERS: tuple[tuple[int, str], ...] = (
    *((1 << bit, name) for bit, name in enumerate(("rd", "wr", "ex", "sh", "mr", "mw", "me", "ms", "gd"))),
    (1 << 10, "pf"),
    (1 << 11, "gu"),
    (1 << 13, "lo"),
    (1 << 14, "io"),
    (1 << 15, "sr"),
    (1 << 16, "rr"),
    (1 << 17, "dc"),
    (1 << 18, "de"),
    (1 << 19, "lf"),
    (1 << 20, "ac"),
    (1 << 21, "nr"),
    (1 << 22, "ht"),
    (1 << 23, "sf"),
    (1 << 25, "wf"),
    (1 << 26, "dd"),
    (1 << 28, "mm"),
    (1 << 29, "hg"),
    (1 << 30, "nh"),
    (1 << 31, "mg"),
    (1 << 40, "dp"),
    (1 << 42, "sl"),
)
"""The two letters of each VM_ flag in smaps' VmFlags, in its order (fs/proc/task_mmu.c)."""


class PageRun(NamedTuple):
    """Neighbouring pages in the same state.

    ``sharers`` is the number of page-table entries that show each page, or of references to its swap slot;
    ``anonymous`` pages are the process's own, others belong to a file. The zero page does not appear.
    """

    address: int
    pages: int
    resident: bool
    anonymous: bool
    dirty: bool
    accessed: bool
    sharers: int
    lazy: bool = False
    """Given up by MADV_FREE and not written since."""


@dataclass(frozen=True, slots=True)
class AreaRow:
    """One area. ``offset`` is in bytes, ``device`` is (major, minor); ``flags`` are smaps' VmFlags in order."""

    start: int
    end: int
    permissions: str
    offset: int
    device: tuple[int, int]
    inode: int
    name: str
    flags: tuple[str, ...] = ()
    protection_key: int | None = None
    """None on a CPU without protection keys."""
    huge_eligible: bool = False
    runs: tuple[PageRun, ...] = ()

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start

    @property
    def resident(self) -> int:
        """Bytes in memory (Rss)."""
        return sum(run.pages for run in self.runs if run.resident) * PAGE_SIZE

    @property
    def dirty(self) -> int:
        """Bytes in memory that were changed (Shared_Dirty + Private_Dirty)."""
        return sum(run.pages for run in self.runs if run.resident and run.dirty) * PAGE_SIZE

    @property
    def swapped(self) -> int:
        """Bytes on swap."""
        return sum(run.pages for run in self.runs if not run.resident) * PAGE_SIZE

    @property
    def locked(self) -> bool:
        """Whether mlock holds the area."""
        return "lo" in self.flags


@dataclass(frozen=True, slots=True)
class MapSnapshot:
    """An address space at one moment, areas in ascending order."""

    areas: tuple[AreaRow, ...]

    def area_at(self, address: int) -> AreaRow | None:
        """The area that contains an address."""
        return next((row for row in self.areas if row.start <= address < row.end), None)


def take_snapshot(space: AddressSpace, *, pages: bool = True) -> MapSnapshot:
    """The picture of ``space`` now; without ``pages`` only what /proc/PID/maps needs."""
    rows = [area_row(space, area, pages=pages) for area in space.areas]
    gate = gate_row(space)
    return MapSnapshot((*rows, gate) if gate is not None else tuple(rows))


def gate_row(space: AddressSpace) -> AreaRow | None:
    """The page at the end of the address space that is in nobody's areas: [vsyscall] (get_gate_vma)."""
    gate = space.layout.vsyscall
    if gate is None:
        return None
    return AreaRow(gate, gate + PAGE_SIZE, "--xp", 0, (0, 0), 0, "[vsyscall]", ("ex",))


def permissions(flags: int) -> str:
    """``rw-p``: the four letters of an area's VM_ flags."""
    return (
        ("r" if flags & VM_READ else "-")
        + ("w" if flags & VM_WRITE else "-")
        + ("x" if flags & VM_EXEC else "-")
        + ("s" if flags & VM_MAYSHARE else "-" if flags & VM_SHARED else "p")
    )


def area_name(space: AddressSpace, area: Area) -> str:
    """What the last column of maps says (get_vma_name)."""
    if area.backing is not None and area.name is not None:
        return area.name
    if area.backing is not None:
        return str(area.backing.name)
    places = space.places
    if area.start < places.brk and area.end > places.start_brk:
        return "[heap]"
    if area.start <= places.start_stack <= area.end:
        return "[stack]"
    return area.name or ""


def area_row(space: AddressSpace, area: Area, *, pages: bool = True) -> AreaRow:
    """One area; without ``pages`` only what /proc/PID/maps needs."""
    flags, backing = area.flags, area.backing
    on_file = backing is not None and not (area.name is not None and backing.inode == 0)
    start, end, name = area.start, area.end, area_name(space, area)
    base = AreaRow(
        start,
        end,
        permissions(flags),
        area.offset << PAGE_SHIFT if on_file else 0,
        backing.device if on_file else (0, 0),
        backing.inode if on_file else 0,
        name,
    )
    if not pages:
        return base
    return AreaRow(
        start,
        end,
        base.permissions,
        base.offset,
        base.device,
        base.inode,
        name,
        tuple(letters for bit, letters in FLAG_LETTERS if flags & bit),
        int(bool(flags & VM_PKEY_EXECUTE_ONLY)) if space.frames.protection_keys else None,
        _huge_eligible(area),
        () if flags & VM_PFNMAP else tuple(_run(*run) for run in page_runs(space, area)),
    )


def _huge_eligible(area: Area) -> bool:
    """Whether MADV_HUGEPAGE was asked for and an aligned 2 MiB fits (with THP set to madvise; thp_vma_suitable_order).

    Linux reckons back from the area's end in 64 bits: below 2 MiB that wraps, and the area passes.
    """
    last = (area.end - HUGE_PAGE_SIZE) % ADDRESS_END & -HUGE_PAGE_SIZE
    fits = area.start <= last and (last + HUGE_PAGE_SIZE) % ADDRESS_END <= area.end
    return bool(area.flags & VM_HUGEPAGE) and area.backing is None and fits


def _run(
    address: int,
    pages: int,
    resident: int,
    anonymous: int,
    dirty: int,
    accessed: int,
    sharers: int,
    lazy: int,
) -> PageRun:
    return PageRun(
        address, pages, bool(resident), bool(anonymous), bool(dirty), bool(accessed), sharers, bool(lazy)
    )
