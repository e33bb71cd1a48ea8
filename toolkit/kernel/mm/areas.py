"""Areas of an address space and the ordered set that holds them.

An area says what a range of addresses was asked to be; nothing here knows of frames or page tables.
The rules of merging are in merging.py.

The set is a list of short sorted runs ("chunks"), so that each operation on 30,000 areas costs about
what it costs on 300. Each chunk remembers the widest gap that lies just before one of its areas, and the set
remembers down to where the last search from the top found nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import reduce
from operator import or_, sub
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.abi.memory import (
    PAGE_SHIFT,
    PAGE_SIZE,
    STACK_GUARD_PAGES,
    VM_GROWSDOWN,
    VM_SHARED,
    VM_STICKY,
)
from toolkit.kernel.mm import merging

if TYPE_CHECKING:
    from toolkit.kernel.mm.merging import AnonymousGroup

CHUNK = 64
ADDRESS_END = 1 << 64
STACK_GUARD_GAP = STACK_GUARD_PAGES * PAGE_SIZE


class Area(NamedTuple):
    """A range of addresses with one meaning. ``start`` and ``end`` are multiples of the page size.

    ``offset`` is in pages: into the backing, or, in a private anonymous area, ``start``'s page number at the
    time its first page appeared. ``backing`` is None in private anonymous areas; two areas share a file
    only if it is the same object. ``name`` is a special area's name (``[vdso]``) or the one given
    by PR_SET_VMA_ANON_NAME. ``group`` is what the area's own private pages belong to; ``chain`` holds that
    group and those of the processes it was forked from, oldest first: empty if and only if there is no group.
    """

    start: int
    end: int
    flags: int
    offset: int = 0
    backing: Any = None
    name: str | None = None
    group: AnonymousGroup | None = None
    chain: tuple[AnonymousGroup, ...] = ()

    @property
    def length(self) -> int:
        """Bytes."""
        return self.end - self.start

    @property
    def pages(self) -> int:
        """Number of pages."""
        return (self.end - self.start) >> PAGE_SHIFT

    @property
    def guarded_start(self) -> int:
        """Where the guard gap below begins (vm_start_gap): other mappings are kept below it."""
        if self.flags & VM_GROWSDOWN:
            return max(self.start - STACK_GUARD_GAP, 0)
        return self.start

    @property
    def private(self) -> bool:
        """Whether writes stay in this process."""
        return not self.flags & VM_SHARED

    def page_offset(self, address: int) -> int:
        """The page of the backing that ``address`` shows."""
        return self.offset + ((address - self.start) >> PAGE_SHIFT)

    def part(self, start: int, end: int) -> Area:
        """This area cut to [start, end), which must lie inside it."""
        return Area(
            start,
            end,
            self.flags,
            self.offset + ((start - self.start) >> PAGE_SHIFT),
            self.backing,
            self.name,
            self.group,
            self.chain,
        )


class AreaSet:
    """The areas of one address space in ascending order; they never overlap."""

    __slots__ = (
        "_areas",
        "_count",
        "_firsts",
        "_full_above",
        "_full_high",
        "_full_length",
        "_gaps",
        "_starts",
    )

    def __init__(self) -> None:
        self._areas: list[list[Area]] = []
        self._starts: list[list[int]] = []
        self._firsts: list[int] = []
        # The widest gap in front of an area of the chunk; -1: to be computed.
        self._gaps: list[int] = []
        # Invariant: of the free ranges below _full_high, none of _full_length bytes or more ends above _full_above.
        self._full_above = self._full_high = self._full_length = ADDRESS_END
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Area]:
        for chunk in self._areas:
            yield from chunk

    # Looking up

    def find(self, address: int) -> Area | None:
        """The area that contains ``address``."""
        chunk = bisect_right(self._firsts, address) - 1
        if chunk < 0:
            return None
        area = self._areas[chunk][bisect_right(self._starts[chunk], address) - 1]
        return area if address < area.end else None

    def first_ending_above(self, address: int) -> Area | None:
        """The lowest area whose end lies above ``address`` (find_vma): it contains it or follows it."""
        chunk = bisect_right(self._firsts, address) - 1
        if chunk >= 0:
            run = self._areas[chunk]
            index = bisect_right(self._starts[chunk], address) - 1
            if address < run[index].end:
                return run[index]
            if index + 1 < len(run):
                return run[index + 1]
        return self._areas[chunk + 1][0] if chunk + 1 < len(self._areas) else None

    def last_starting_below(self, address: int) -> Area | None:
        """The highest area whose start lies below ``address``: it contains ``address - 1`` or ends below it."""
        chunk = bisect_left(self._firsts, address) - 1
        if chunk < 0:
            return None
        return self._areas[chunk][bisect_left(self._starts[chunk], address) - 1]

    def overlapping(self, start: int, end: int) -> list[Area]:
        """The areas that share an address with [start, end), in order."""
        found: list[Area] = []
        if start >= end:
            return found
        chunk = max(bisect_right(self._firsts, start) - 1, 0)
        while chunk < len(self._areas) and self._firsts[chunk] < end:
            starts, run = self._starts[chunk], self._areas[chunk]
            first = max(bisect_right(starts, start) - 1, 0)
            last = bisect_left(starts, end)
            if first < last and run[first].end <= start:
                first += 1
            found += run[first:last]
            chunk += 1
        return found

    def intersects(self, start: int, end: int) -> bool:
        """Whether some area shares an address with [start, end)."""
        area = self.first_ending_above(start)
        return area is not None and area.start < end

    # Changing

    def insert(self, area: Area) -> None:
        """Put in an area as it is, without merging. Precondition: nothing overlaps it."""
        self._count += 1
        if area.chain:
            merging.link(area)
        if not self._areas:
            self._areas.append([area])
            self._starts.append([area.start])
            self._firsts.append(area.start)
            self._gaps.append(-1)
            return
        chunk = max(bisect_right(self._firsts, area.start) - 1, 0)
        starts = self._starts[chunk]
        index = bisect_right(starts, area.start)
        starts.insert(index, area.start)
        self._areas[chunk].insert(index, area)
        self._firsts[chunk] = starts[0]
        self._gaps[chunk] = -1
        if index == len(starts) - 1 and chunk + 1 < len(self._gaps):
            self._gaps[chunk + 1] = -1
        if len(starts) > 2 * CHUNK:
            self._halve(chunk)

    def remove(self, area: Area) -> None:
        """Take out an area. Precondition: it is in the set."""
        self._count -= 1
        if area.chain:
            merging.unlink(area)
        chunk = bisect_right(self._firsts, area.start) - 1
        starts = self._starts[chunk]
        index = bisect_left(starts, area.start)
        del starts[index]
        del self._areas[chunk][index]
        self._widened(chunk, index)
        if chunk + 1 < len(self._gaps):
            self._gaps[chunk + 1] = -1
        if starts:
            self._firsts[chunk] = starts[0]
            self._gaps[chunk] = -1
        else:
            del self._areas[chunk], self._starts[chunk], self._firsts[chunk], self._gaps[chunk]

    def replace(self, old: Area, new: Area) -> None:
        """Put ``new`` in the place of ``old``. Preconditions: ``old`` is in the set; ``new`` lies between its neighbours."""
        if new.chain is not old.chain or new.group is not old.group:
            merging.link(new)
            merging.unlink(old)
        chunk = bisect_right(self._firsts, old.start) - 1
        index = bisect_left(self._starts[chunk], old.start)
        self._areas[chunk][index] = new
        if new.start != old.start or new.end != old.end:
            self._starts[chunk][index] = new.start
            self._firsts[chunk] = self._starts[chunk][0]
            self._gaps[chunk] = -1
            self._widened(chunk, index + 1)
            if chunk + 1 < len(self._gaps):
                self._gaps[chunk + 1] = -1

    def split(self, address: int) -> None:
        """Make ``address`` a boundary: an area across it becomes two."""
        area = self.find(address)
        if area is None or area.start == address:
            return
        self.replace(area, area.part(area.start, address))
        self.insert(area.part(address, area.end))

    def carve(self, start: int, end: int) -> list[Area]:
        """Take out [start, end), splitting areas at its ends; the pieces taken out are returned in order."""
        self.split(start)
        self.split(end)
        taken = self.overlapping(start, end)
        for area in taken:
            self.remove(area)
        return taken

    def add(self, area: Area) -> Area:
        """Put in a new area, merged with its neighbours where they continue it (vma_merge_new_range).

        Returns the area it became part of. Precondition: nothing overlaps it.
        """
        left = self.last_starting_below(area.start)
        right = self.first_ending_above(area.end - 1)
        left = left if left is not None and _may_merge(left, area, left) else None
        right = right if right is not None and _may_merge(area, right, right) else None
        if left is not None and right is not None and not _may_all_merge(left, right):
            right = None
        return self._merge(area, left, right, present=False)

    def extend(self, area: Area, end: int) -> Area:
        """Let an area grow up to ``end``, into what follows it there if that continues it (vma_merge_extend).

        Returns the area that it became. Precondition: [area.end, end) is free.
        """
        grown = area._replace(end=end)
        right = self.first_ending_above(end)
        if right is not None and merging.alike(grown, right) and _may_all_merge(area, right):
            if area.group is None and merging.is_fork_child(right):
                right = None
        else:
            right = None
        self.replace(area, grown)
        return self._merge(grown, None, right, present=True)

    def change(self, start: int, end: int, area: Area, changed: Area) -> Area:
        """Give [start, end) of ``area`` the attributes of ``changed``, merging or splitting (vma_modify).

        ``changed`` is ``area.part(start, end)`` with other flags or another name. Neighbours are candidates only where the
        range reaches the area's end. Returns the area that now covers the range.
        """
        left, right = self.mergeable(start, end, area, changed)
        self.split(start)
        self.split(end)
        return self._merge(changed, left, right, present=True)

    def mergeable(self, start: int, end: int, area: Area, changed: Area) -> tuple[Area | None, Area | None]:
        """The neighbours that ``change`` with the same arguments would merge the range with."""
        left = self.last_starting_below(start) if start == area.start else None
        right = self.first_ending_above(end) if end == area.end else None
        left = left if left is not None and _may_merge(left, changed, left) else None
        right = right if right is not None and _may_merge(changed, right, right) else None
        if (start, end) == (area.start, area.end) and not merging.may_vanish(area):
            return None, None
        if left is not None and right is not None and not _may_all_merge(left, right):
            right = None
        return left, right

    def _merge(self, area: Area, left: Area | None, right: Area | None, *, present: bool) -> Area:
        """Store ``area`` joined with the neighbours given; ``present``: an area of its range is in the set.

        The whole has the group and chain of the first of left, right, ``area`` that has one (dup_anon_vma).
        """
        parts = [one for one in (left, right, area) if one is not None]
        donor = next((one for one in parts if one.group is not None), area)
        flags = reduce(or_, (one.flags & VM_STICKY for one in parts), area.flags)
        whole = area._replace(flags=flags, group=donor.group, chain=donor.chain)
        if right is not None:
            whole = whole._replace(end=right.end)
        if left is not None:
            whole = whole._replace(start=left.start, offset=left.offset)
        # Linked once more while its parts go, lest a group be taken for gone.
        merging.link(whole)
        if right is not None:
            self.remove(right)
        self._store(area, left, whole, present=present)
        merging.unlink(whole)
        return whole

    def _store(self, area: Area, left: Area | None, whole: Area, *, present: bool) -> None:
        if left is not None:
            if present:
                self.remove(area)
            self.replace(left, whole)
        elif present:
            self.replace(area, whole)
        else:
            self.insert(whole)

    def _halve(self, chunk: int) -> None:
        areas, starts = self._areas[chunk], self._starts[chunk]
        self._areas[chunk : chunk + 1] = [areas[:CHUNK], areas[CHUNK:]]
        self._starts[chunk : chunk + 1] = [starts[:CHUNK], starts[CHUNK:]]
        self._firsts[chunk : chunk + 1] = [starts[0], starts[CHUNK]]
        self._gaps[chunk : chunk + 1] = [-1, -1]

    # Gaps

    def highest_gap(self, length: int, low: int, high: int) -> int | None:
        """The end of the highest free range of ``length`` bytes within [low, high) (unmapped_area_topdown).

        A gap just below an area that grows down is used only below its guard; where it is too short for that,
        the search goes on below the guard, as the kernel's does.
        """
        remembered = length >= self._full_length and self._full_above < high <= self._full_high
        ceiling = self._full_above if remembered else high
        above = self.first_ending_above(ceiling - 1)
        found, lowered = self._highest_gap_below(length, low, ceiling, above)
        if found is not None and not lowered and (not remembered or length == self._full_length):
            self._full_high = self._full_high if remembered else high
            self._full_above, self._full_length = found, length
        return found

    def _highest_gap_below(
        self, length: int, low: int, high: int, above: Area | None
    ) -> tuple[int | None, bool]:
        """Search downwards; ``above`` is the lowest area that ends at or above ``high``.

        Also returned: whether a guard gap lowered the start of the search.
        """
        ceiling = min(high, above.start) if above is not None else high
        lowered = False
        for chunk in range(bisect_left(self._firsts, ceiling) - 1, -1, -1):
            run = self._areas[chunk]
            if ceiling - run[-1].end < length and run[-1].start < ceiling and self._widest(chunk) < length:
                above = run[0]
                ceiling = above.start
                continue
            for area in reversed(run[: bisect_left(self._starts[chunk], ceiling)]):
                if area.start >= ceiling:
                    continue
                if ceiling - max(area.end, low) >= length:
                    if above is None or above.guarded_start >= ceiling:
                        return ceiling, lowered
                    ceiling, lowered = above.guarded_start, True
                    if ceiling - max(area.end, low) >= length:
                        return ceiling, lowered
                if area.start < ceiling:
                    above, ceiling = area, area.start
            if ceiling - low < length:
                return None, lowered
        if ceiling - low >= length and above is not None and above.guarded_start < ceiling:
            ceiling, lowered = above.guarded_start, True
        return (ceiling if ceiling - low >= length else None), lowered

    def _widened(self, chunk: int, index: int) -> None:
        """The gap before the area at this place may have become wider."""
        if index < len(self._starts[chunk]):
            end = self._starts[chunk][index]
        else:
            end = self._firsts[chunk + 1] if chunk + 1 < len(self._firsts) else ADDRESS_END
        self._full_above = max(self._full_above, end)

    def lowest_gap(self, length: int, low: int, high: int) -> int | None:
        """The start of the lowest free range of ``length`` bytes within [low, high) (unmapped_area).

        The guard gap below an area that grows down counts as taken.
        """
        floor = low
        first = max(bisect_right(self._firsts, low) - 1, 0)
        for chunk in range(first, len(self._areas)):
            run = self._areas[chunk]
            if chunk == first or self._widest(chunk) >= length:
                for area in run:
                    if area.end <= floor:
                        continue
                    if min(area.guarded_start, high) - floor >= length:
                        return floor
                    floor = max(floor, area.end)
            else:
                floor = max(floor, run[-1].end)
            if floor + length > high:
                return None
        return floor if high - floor >= length else None

    def _widest(self, chunk: int) -> int:
        """The widest gap just before an area of this chunk."""
        widest = self._gaps[chunk]
        if widest < 0:
            run, starts = self._areas[chunk], self._starts[chunk]
            before = self._areas[chunk - 1][-1].end if chunk else 0
            ends = [before, *[area.end for area in run[:-1]]]
            widest = self._gaps[chunk] = max(map(sub, starts, ends))
        return widest


def _may_merge(left: Area, right: Area, neighbour: Area) -> bool:
    """Whether two areas can become one; ``neighbour`` is the one that is there and unchanged."""
    return merging.alike(left, right) and merging.may_share_group(
        right if neighbour is left else left, neighbour
    )


def _may_all_merge(left: Area, right: Area) -> bool:
    """Whether what lies between two neighbours can become one with both, and ``right`` go."""
    return merging.agree(left, right) and merging.may_vanish(right)
