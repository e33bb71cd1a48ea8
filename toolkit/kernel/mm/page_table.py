"""The four levels of x86-64 page tables, written into the machine's memory (Intel SDM volume 3, 4.5).

The tree in memory is what the CPU walks. Beside it each level keeps a dictionary from address prefix to table, so that
an entry is found in one step and a sparse space is traversed without visiting its holes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from toolkit.abi.memory import PTE_FRAME_MASK, PTE_PRESENT, PTE_USER, PTE_WRITABLE
from toolkit.kernel.mm.frames import TABLE, Frames

ENTRIES = 512
LEAF_SHIFT = 21
_LINK = PTE_PRESENT | PTE_WRITABLE | PTE_USER
LEVELS = ("PML4", "PDPT", "PD", "PT")


class Step(NamedTuple):
    """One level of a walk: the table's frame, the position in it and the entry read there."""

    level: str
    frame: int
    position: int
    entry: int


class PageTable:
    """One address space's tables. An entry is addressed by its index in ``frames.words`` (a "slot")."""

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.words = frames.words
        self.root = frames.allocate(TABLE)
        self.leaves: dict[int, int] = {}
        """Address >> 21 → slot of entry 0 of the table that maps those 2 MiB."""
        # The same for the tables above: address >> 30 and address >> 39.
        self._directories: dict[int, int] = {}
        self._pointers: dict[int, int] = {}

    @property
    def table_bytes(self) -> int:
        """Bytes of tables below the root (VmPTE)."""
        return (len(self.leaves) + len(self._directories) + len(self._pointers)) * 4096

    def entry(self, address: int) -> int:
        """The lowest-level entry for an address; 0 where there is none."""
        leaf = self.leaves.get(address >> LEAF_SHIFT)
        return 0 if leaf is None else int(self.words[leaf + (address >> 12 & 511)])

    def slot(self, address: int) -> int:
        """The slot of the entry for ``address``; tables on the way are made. Raises OutOfMemoryError."""
        leaf = self.leaves.get(address >> LEAF_SHIFT)
        if leaf is None:
            leaf = self._make_leaf(address)
        return leaf + (address >> 12 & 511)

    def slots(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(address, slot, number of entries) for each existing table's part of [start, end), ascending."""
        first, last = start >> LEAF_SHIFT, (end - 1) >> LEAF_SHIFT
        if last - first < len(self.leaves):
            numbers = [number for number in range(first, last + 1) if number in self.leaves]
        else:
            numbers = sorted(number for number in self.leaves if first <= number <= last)
        for number in numbers:
            low = max(start, number << LEAF_SHIFT)
            high = min(end, (number + 1) << LEAF_SHIFT)
            yield low, self.leaves[number] + (low >> 12 & 511), (high - low) >> 12

    def walk(self, address: int) -> list[Step]:
        """The levels the CPU goes through for an address, down to the first entry that is not present."""
        steps: list[Step] = []
        table = self.root
        for level, shift in zip(LEVELS, (39, 30, 21, 12), strict=True):
            index = address >> shift & 511
            entry = int(self.words[(table << 9) + index])
            steps.append(Step(level, table, index, entry))
            if not entry & PTE_PRESENT:
                break
            table = (entry & PTE_FRAME_MASK) >> 12
        return steps

    def prune(self, floor: int, start: int, end: int, ceiling: int) -> None:
        """Free the tables that map only addresses in [floor, ceiling) and some in [start, end) (free_pgtables).

        Precondition: the entries of [floor, ceiling) are empty.
        """
        self._prune(self.leaves, LEAF_SHIFT, self._directories, floor, start, end, ceiling)
        self._prune(self._directories, 30, self._pointers, floor, start, end, ceiling)
        self._prune(self._pointers, 39, {0: self.root << 9}, floor, start, end, ceiling)

    def drop_leaf(self, address: int) -> None:
        """Free the table that maps the 2 MiB around an address, if no entry in it is used."""
        number = address >> LEAF_SHIFT
        slot = self.leaves[number]
        if not any(self.words[slot : slot + ENTRIES]):
            self.words[self._directories[number >> 9] + (number & 511)] = 0
            self.frames.free(self.leaves.pop(number) >> 9)

    def release(self) -> None:
        """Free every table, the root too. Precondition: no entry points at a frame."""
        for level in (self.leaves, self._directories, self._pointers):
            for slot in level.values():
                self.frames.free(slot >> 9)
            level.clear()
        self.frames.free(self.root)

    def _prune(
        self,
        level: dict[int, int],
        shift: int,
        parents: dict[int, int],
        floor: int,
        start: int,
        end: int,
        ceiling: int,
    ) -> None:
        first, last = start >> shift, (end - 1) >> shift
        numbers = range(first, last + 1) if last - first < len(level) else list(level)
        for number in numbers:
            if number not in level or not first <= number <= last:
                continue
            if number << shift >= floor and (number + 1) << shift <= ceiling:
                self.words[parents[number >> 9] + (number & 511)] = 0
                self.frames.free(level.pop(number) >> 9)

    def _make_leaf(self, address: int) -> int:
        pointers = self._child(self._pointers, address >> 39, self.root << 9)
        directory = self._child(self._directories, address >> 30, pointers)
        return self._child(self.leaves, address >> LEAF_SHIFT, directory)

    def _child(self, level: dict[int, int], number: int, parent: int) -> int:
        slot = level.get(number)
        if slot is None:
            frame = self.frames.allocate(TABLE)
            self.words[parent + (number & 511)] = frame << 12 | _LINK
            slot = level[number] = frame << 9
        return slot
