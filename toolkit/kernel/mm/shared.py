"""Backings that mm makes itself: shared anonymous memory and the kernel's own pages ([vdso], [vvar])."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.abi.memory import PAGE_SHIFT
from toolkit.kernel.mm.frames import FILE, Frames
from toolkit.kernel.mm.page_cache import PageCache


class SharedMemory:
    """A file without a directory entry that lives in memory: what mmap(MAP_SHARED | MAP_ANONYMOUS) maps.

    Its pages are freed when the last area that refers to it is gone.
    """

    device = (0, 1)
    readable = writable = mappable = executable = True
    huge_aligned = False

    def __init__(
        self, frames: Frames, size: int, name: str = "/dev/zero (deleted)", charged: int = 0
    ) -> None:
        """``charged`` pages of Committed_AS are given back with the file."""
        self.name = name
        self.pages = PageCache(frames, None, size)
        self.inode = frames.next_memory_inode()
        weakref.finalize(self, _give_back, self.pages, charged).atexit = False


def _give_back(pages: PageCache, charged: int) -> None:
    pages.release()
    pages.frames.commitment.release(charged)


@dataclass(eq=False)
class SpecialPages:
    """Frames of the kernel that a process may see; one object for each area."""

    name: str
    pages: PageCache
    device = (0, 0)
    inode = 0
    readable = mappable = executable = True
    writable = huge_aligned = False


def special_pages(frames: Frames, name: str, pages: Sequence[int]) -> SpecialPages:
    """A backing that shows the given frames, one a page. They are never reclaimed."""
    cache = PageCache(frames, None, len(pages) << PAGE_SHIFT)
    cache.kind = FILE
    cache.resident = dict(enumerate(pages))
    return SpecialPages(name, cache)
