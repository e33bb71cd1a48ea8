"""Physical frames: who gets one, how many page-table entries point at it, and where content goes when none is left.

A frame is a 4 KiB page of the machine's memory, named by its number. Anonymous frames live as long as an entry
points at them; frames of a file live as long as its page cache keeps them.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from toolkit.abi.memory import PAGE_SHIFT, PAGE_SIZE
from toolkit.kernel.mm.overcommit import Commitment

if TYPE_CHECKING:
    from toolkit.kernel.mm.page_cache import PageCache
    from toolkit.kernel.mm.space import AddressSpace

ZERO_PAGE = bytes(PAGE_SIZE)

FREE, ANONYMOUS, FILE, SHMEM, TABLE, FIXED = range(6)
"""What a frame holds. FIXED frames (the zero page, vvar) are neither counted as resident nor reclaimed."""

_GROWTH = 1024
FIRST_MEMORY_INODE = 1024


class PhysicalMemory(Protocol):
    """The part of ``machine.Machine`` that memory management needs."""

    @property
    def memory_size(self) -> int: ...
    @property
    def bytes(self) -> memoryview: ...
    @property
    def words(self) -> memoryview: ...
    @property
    def first_free_frame(self) -> int: ...
    def set_page_table(self, root: int) -> None: ...
    def flush_tlb(self) -> None: ...
    def frame_changed(self, frame: int) -> None: ...


class OutOfMemoryError(Exception):
    """No frame is free, nothing can be reclaimed, and the process that needs one is to be killed."""


class Swap:
    """The swap device: ``size`` pages, each slot counted by the page-table entries and caches that name it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.references: dict[int, int] = {}
        self.slot_of: dict[int, int] = {}
        """Resident frame → slot that still holds the same content (the swap cache)."""
        self._content: dict[int, bytes] = {}
        self._frame_of: dict[int, int] = {}
        self._released: list[int] = []

    @property
    def used(self) -> int:
        """Slots in use."""
        return len(self.references)

    def has_room(self, frame: int) -> bool:
        """Whether there is a slot for the frame: its own, or a free one."""
        return len(self.references) < self.size or frame in self.slot_of

    def store(self, frame: int, content: bytes) -> int:
        """A slot with the frame's content, referenced once more. Precondition: there is room."""
        slot = self.slot_of.get(frame)
        if slot is None:
            slot = self._released.pop() if self._released else self.used
            self.references[slot] = 0
            self.slot_of[frame], self._frame_of[slot] = slot, frame
        self._content[slot] = content
        self.references[slot] += 1
        return slot

    def content(self, slot: int) -> bytes:
        """The 4096 bytes in a slot."""
        return self._content[slot]

    def frame_of(self, slot: int) -> int | None:
        """The resident frame with this slot's content, if some process already read it in."""
        return self._frame_of.get(slot)

    def cache(self, slot: int, frame: int) -> None:
        """``frame`` was read from ``slot``."""
        self.slot_of[frame], self._frame_of[slot] = slot, frame

    def hold(self, slot: int) -> None:
        """One more entry names the slot (fork)."""
        self.references[slot] += 1

    def release(self, slot: int) -> int | None:
        """One entry less; the last one frees the slot. The frame that was cached for it is returned then."""
        self.references[slot] -= 1
        if self.references[slot]:
            return None
        del self.references[slot], self._content[slot]
        frame = self._frame_of.pop(slot, None)
        if frame is not None:
            del self.slot_of[frame]
        self._released.append(slot)
        return frame

    def forget_frame(self, frame: int) -> None:
        """The frame was freed, or its content differs from its slot's now."""
        slot = self.slot_of.pop(frame, None)
        if slot is not None:
            del self._frame_of[slot]


class Frames:
    """The frames of one machine, shared by all its address spaces and page caches.

    ``limit`` is the number of frames to give out (default: all the machine has); ``swap_pages`` the size of
    swap. Both bound what a program can use, whatever it maps.
    """

    def __init__(self, machine: PhysicalMemory, *, limit: int | None = None, swap_pages: int = 0) -> None:
        self.machine = machine
        self.bytes = machine.bytes
        self.words = machine.words
        self.first = machine.first_free_frame
        available = (machine.memory_size >> PAGE_SHIFT) - self.first
        self.total = available if limit is None else min(limit, available)
        self.swap = Swap(swap_pages)
        self.commitment = Commitment(self.total, swap_pages)
        self.mappings = array("I")
        """Page-table entries that point at the frame; index: frame - first. Grown as frames are first used."""
        self.kind = bytearray()
        self.code = bytearray()
        """1: the frame was mapped executable since it was last handed out, so translated code may exist."""
        self.translated: dict[int, bytes] = {}
        """Frames that are data now, and which translated code is kept of all the same, with what they held then."""
        self.spaces: dict[AddressSpace, None] = {}
        self.caches: dict[PageCache, None] = {}
        self.reclaim: Callable[[], bool] = lambda: False
        """Free at least one frame, or say that there is nothing left to free (reclaim.Reclaimer, once a space exists)."""
        self.out_of_memory: Callable[[], bool] | None = None
        """Called when reclaim failed. True: something was killed and freed, try again."""
        self.protection_keys = True
        """Whether the CPU has them (PKU): without them PROT_EXEC alone is readable, and smaps has no such line."""
        self.page_work = 0
        """Pages handed out, faulted in and copied for system calls so far: what `Limits.events` bounds besides the entries into the kernel."""
        self.lazy: set[int] = set()
        """Anonymous frames given up by MADV_FREE: reclaim drops those whose entry is not dirty again."""
        self.referenced: set[int] = set()
        """Frames marked as used (PG_referenced), which smaps counts like an entry's accessed bit."""
        self._active: set[int] = set()
        self._memory_inodes = FIRST_MEMORY_INODE
        self._free: list[int] = []
        self.fresh = 0
        """How many different frames were ever handed out: those from `first` on."""
        self.zero = self.allocate(FIXED)

    @property
    def free_count(self) -> int:
        """Frames that could be handed out now."""
        return len(self._free) + self.total - self.fresh

    def count(self, kind: int) -> int:
        """How many frames hold ``kind``."""
        return self.kind.count(kind)

    @property
    def memory_files(self) -> int:
        """How many files were made on the kernel's own tmpfs."""
        return self._memory_inodes - FIRST_MEMORY_INODE

    def next_memory_inode(self) -> int:
        """A new inode number on the kernel's own tmpfs, which shared anonymous memory and memfds live on."""
        self._memory_inodes += 1
        return self._memory_inodes

    def allocate(self, kind: int, *, clear: bool = True) -> int:
        """A frame, zeroed unless ``clear`` is false (the caller then overwrites all of it).

        Raises OutOfMemoryError when neither reclaim nor the kernel's out-of-memory handler finds one.
        """
        self.page_work += 1
        if self._free:
            frame = self._free.pop()
        elif self.fresh < self.total:
            frame = self.first + self.fresh
            self.fresh += 1
            if self.fresh > len(self.kind):
                self._grow()
        else:
            self._make_room()
            return self.allocate(kind, clear=clear)
        index = frame - self.first
        self.kind[index] = kind
        if self.code[index]:
            self.code[index] = 0
            self.machine.frame_changed(frame)
        elif self.translated and kind != FILE:
            self._forget_translated(frame)
        if clear:
            base = frame << PAGE_SHIFT
            self.bytes[base : base + PAGE_SIZE] = ZERO_PAGE
        return frame

    def show_executable(self, index: int) -> None:
        """The program may fetch instructions from a frame (its index) from now on: from what it holds, not from what it held."""
        self.code[index] = 1
        frame = self.first + index
        if frame in self.translated:
            if self.translated[frame] == self.read(frame):
                del self.translated[frame]
            else:
                self._forget_translated(frame)

    def _forget_translated(self, frame: int) -> None:
        if self.translated.pop(frame, None) is not None:
            self.machine.frame_changed(frame)

    def free(self, frame: int) -> None:
        """Give a frame back. Precondition: no entry points at it."""
        self.kind[frame - self.first] = FREE
        for marked in (self.lazy, self.referenced, self._active):
            marked.discard(frame)
        if self.swap.slot_of:
            self.swap.forget_frame(frame)
        self._free.append(frame)

    def mark_accessed(self, frame: int) -> None:
        """A use that no entry tells any more: the first marks the frame, the second makes it active (folio_mark_accessed)."""
        if frame not in self.referenced:
            self.referenced.add(frame)
        elif frame not in self._active:
            self._active.add(frame)
            self.referenced.discard(frame)

    def make_inactive(self, frame: int) -> None:
        """Forget both marks (MADV_COLD)."""
        self.referenced.discard(frame)
        self._active.discard(frame)

    def release_slot(self, slot: int) -> None:
        """An entry that named a swap slot has gone; what was read from the slot and nobody shows is freed with it."""
        frame = self.swap.release(slot)
        if frame is not None and not self.mappings[frame - self.first]:
            self.free(frame)

    def read(self, frame: int, offset: int = 0, size: int = PAGE_SIZE) -> bytes:
        """Bytes of a frame."""
        base = (frame << PAGE_SHIFT) + offset
        return self.bytes[base : base + size].tobytes()

    def write(self, frame: int, data: bytes, offset: int = 0) -> None:
        """Change bytes of a frame; translated code that lies in it is dropped."""
        base = (frame << PAGE_SHIFT) + offset
        self.bytes[base : base + len(data)] = data
        if self.code[frame - self.first]:
            self.machine.frame_changed(frame)

    def copy(self, frame: int, kind: int) -> int:
        """A new frame with the same content."""
        new = self.allocate(kind, clear=False)
        source, target = frame << PAGE_SHIFT, new << PAGE_SHIFT
        self.bytes[target : target + PAGE_SIZE] = self.bytes[source : source + PAGE_SIZE]
        return new

    def _grow(self) -> None:
        count = min(_GROWTH + len(self.kind) // 8, self.total - len(self.kind))
        self.mappings.frombytes(bytes(count * self.mappings.itemsize))
        self.kind += bytes(count)
        self.code += bytes(count)

    def _make_room(self) -> None:
        if self.reclaim():
            return
        if self.out_of_memory is not None and self.out_of_memory():
            return
        raise OutOfMemoryError
