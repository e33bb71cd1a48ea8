"""What stands behind areas, in one import: frames, page tables, the page cache and what an area may map."""

from __future__ import annotations

from toolkit.kernel.mm.frames import Frames, OutOfMemoryError, PhysicalMemory, Swap
from toolkit.kernel.mm.page_cache import Backing, MemoryStorage, PageCache, Storage
from toolkit.kernel.mm.page_table import PageTable

__all__ = [
    "Backing",
    "Frames",
    "MemoryStorage",
    "OutOfMemoryError",
    "PageCache",
    "PageTable",
    "PhysicalMemory",
    "Storage",
    "Swap",
]
