"""Physical memory: one buffer of the host that costs nothing until it is touched."""

from __future__ import annotations

import ctypes
import mmap
import sys

from toolkit.machine.events import MachineError

PAGE_SIZE = 4096
DEFAULT_SIZE = (256 if sys.platform == "win32" else 4096) << 20


class PhysicalMemory:
    """`size` bytes, all zero. `bytes` and `words` are views of the same memory ('B' and 'Q')."""

    def __init__(self, size: int) -> None:
        if size <= 0 or size % PAGE_SIZE:
            raise MachineError(
                f"physical memory of {size} bytes: a positive multiple of {PAGE_SIZE} is needed"
            )
        self.size = size
        self._map = reserve(size)
        self._anchor = ctypes.c_char.from_buffer(self._map)
        self.address = ctypes.addressof(self._anchor)
        self.bytes = memoryview(self._map)
        self.words = self.bytes.cast("Q")

    def clear(self, start: int, end: int) -> None:
        """Zero the bytes from `start` to `end`; long stretches are given back to the host where it can."""
        if end - start >= 1 << 20 and hasattr(mmap, "MADV_DONTNEED") and sys.platform == "linux":
            self._map.madvise(mmap.MADV_DONTNEED, start, end - start)
        else:
            ctypes.memset(self.address + start, 0, end - start)


def reserve(size: int) -> mmap.mmap:
    """Anonymous zeroed memory, reserved lazily: Linux and macOS overcommit it, Windows commits on demand.

    Raises MachineError when the host refuses that much address space.
    """
    try:
        if sys.platform == "win32":
            return mmap.mmap(-1, size)
        no_reserve = getattr(mmap, "MAP_NORESERVE", 0)
        return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve)
    except (OSError, ValueError, OverflowError) as error:
        raise MachineError(
            f"the host refuses {size >> 20} MiB for the emulated machine's memory: {error}"
        ) from error
