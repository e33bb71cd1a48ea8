"""The page cache: the pages of one file that are in memory, shared by read, write and every mapping.

A file system gives each inode one PageCache. Its ``storage`` is the disk: pages are loaded from it when first
needed and stored back by ``sync``. Without storage (memfd, /dev/shm, System V segments, shared anonymous
memory) the cache itself is the file, its pages count as shmem and go to swap when memory is short.
"""

from __future__ import annotations

from typing import Protocol

from toolkit.abi.memory import PAGE_SHIFT, PAGE_SIZE
from toolkit.kernel.mm.frames import FILE, SHMEM, Frames, OutOfMemoryError

READ_AROUND = 32
"""Pages that a read from the device brings in (read_ahead_kb / 4)."""


class Storage(Protocol):
    """The disk behind a file, in pages."""

    def load(self, index: int) -> bytes:
        """Up to 4096 bytes of page ``index``; what is missing is zeros."""

    def store(self, index: int, data: bytes) -> None:
        """Keep 4096 bytes as page ``index``; b"" makes it a hole."""


class Backing(Protocol):
    """An open file as a mapping sees it (struct file). Areas share a backing if it is the same object.

    ``name`` is the path as /proc/PID/maps shows it (unescaped, " (deleted)" included), asked anew each time.
    """

    @property
    def name(self) -> str: ...
    @property
    def device(self) -> tuple[int, int]:
        """Major and minor number."""

    @property
    def inode(self) -> int: ...
    @property
    def pages(self) -> PageCache:
        """The inode's pages; also its size."""

    @property
    def readable(self) -> bool:
        """Opened for reading."""

    @property
    def writable(self) -> bool:
        """Opened for writing."""

    @property
    def mappable(self) -> bool:
        """False where mmap gives ENODEV: pipes, sockets, directories, most of /proc."""

    @property
    def executable(self) -> bool:
        """False on a file system mounted noexec."""


class PageCache:
    """The pages of one file. ``size`` is the file's length in bytes: accesses in whole pages beyond it raise SIGBUS."""

    def __init__(self, frames: Frames, storage: Storage | None = None, size: int = 0) -> None:
        self.frames = frames
        self.storage = storage
        self.size = size
        self.kind = SHMEM if storage is None else FILE
        self.resident: dict[int, int] = {}
        """Page index → frame."""
        self.dirty: set[int] = set()
        """Pages whose content the storage lacks; entries' dirty bits not yet collected come on top."""
        self.swapped: dict[int, int] = {}
        """Page index → swap slot (shmem only)."""
        self.evicted: set[int] = set()
        """Pages below ``_known`` that are not in memory: reclaim took them away, or a hole was punched."""
        # Pages from here on were never in memory unless resident; those below count as read ahead.
        self._known = self.page_count if storage is not None else 0
        # Pages at or above _known that were read ahead with a neighbour.
        self._ahead: set[int] = set()

    @property
    def page_count(self) -> int:
        """Pages up to the end of the file."""
        return (self.size + PAGE_SIZE - 1) >> PAGE_SHIFT

    def frame(self, index: int, window: range | None = None) -> tuple[int, bool]:
        """The frame of a page, loaded if need be, and whether that took reading a device (a major fault).

        ``window`` are the pages that come with it then, else some on both sides. Raises OutOfMemoryError. The caller has
        checked the size.
        """
        frame = self.resident.get(index)
        if frame is not None:
            return frame, False
        return self._load(index, window)

    def ready(self, index: int) -> int | None:
        """The frame of a page that can be had without waiting for a device, None else.

        What the storage holds counts as read ahead until reclaim evicts it.
        """
        frame = self.resident.get(index)
        if frame is None and self.is_cached(index):
            frame = self._load(index)[0]
        return frame

    def is_cached(self, index: int) -> bool:
        """Whether the page is in memory, or counts as read ahead."""
        return (
            index in self.resident
            or (index < self._known and index not in self.evicted)
            or index in self._ahead
        )

    def read_ahead(self, first: int, last: int) -> None:
        """Bring in pages of [first, last) that reclaim evicted or swapped out, as far as there is memory."""
        for index in sorted(self.swapped.keys() | self.evicted):
            if not first <= index < last:
                continue
            try:
                self._load(index, range(index, index + 1))
            except OutOfMemoryError:
                return

    def read(self, offset: int, count: int) -> bytes:
        """The bytes [offset, offset + count) of the file, fewer at its end."""
        count = min(count, self.size - offset)
        if count <= 0:
            return b""
        parts = []
        while count > 0:
            start = offset & (PAGE_SIZE - 1)
            piece = min(count, PAGE_SIZE - start)
            if self._absent(offset >> PAGE_SHIFT):
                parts.append(bytes(piece))
            else:
                parts.append(self.frames.read(self.frame(offset >> PAGE_SHIFT)[0], start, piece))
            offset += piece
            count -= piece
        return b"".join(parts)

    def peek(self, index: int) -> bytes | None:
        """The 4096 bytes of a page, which stays where it is; None behind the end of the file."""
        if index >= self.page_count:
            return None
        if index in self.resident:
            return self.frames.read(self.resident[index])
        if index in self.swapped:
            return self.frames.swap.content(self.swapped[index])
        stored = b"" if self.storage is None else self.storage.load(index)
        return stored.ljust(PAGE_SIZE, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """Put ``data`` at ``offset``, growing the file where it ends beyond."""
        position, end = 0, len(data)
        while position < end:
            index, start = (offset + position) >> PAGE_SHIFT, (offset + position) & (PAGE_SIZE - 1)
            piece = data[position : position + PAGE_SIZE - start]
            self.frames.write(self.frame(index)[0], piece, start)
            self.dirty.add(index)
            position += len(piece)
        self.size = max(self.size, offset + end)

    def truncate(self, size: int) -> None:
        """Set the length: pages beyond are dropped, from mappings too, and the tail of the last one is zeroed."""
        if size < self.size:
            self._forget_storage(size)
            first = (size + PAGE_SIZE - 1) >> PAGE_SHIFT
            self._drop(first, None)
            tail = size & (PAGE_SIZE - 1)
            if tail and not self._absent(size >> PAGE_SHIFT):
                self.frames.write(self.frame(size >> PAGE_SHIFT)[0], bytes(PAGE_SIZE - tail), tail)
                self.dirty.add(size >> PAGE_SHIFT)
            self._known = min(self._known, first)
            self.evicted = {index for index in self.evicted if index < first}
        self.size = size

    def punch(self, first: int, last: int) -> None:
        """Make the pages [first, last) a hole (fallocate's FALLOC_FL_PUNCH_HOLE, MADV_REMOVE)."""
        stored = self._stored_pages(first, last)
        self._drop(first, last, copies=False)
        if self.storage is not None:
            for index in stored:
                self.storage.store(index, b"")
                if index < self._known:
                    self.evicted.add(index)

    def sync(self, first: int = 0, last: int | None = None) -> None:
        """Write changed pages of [first, last) to the storage, those changed through mappings included."""
        if self.storage is None:
            return
        for space in self.frames.spaces:
            space.collect_dirty(self, first, last)
        for index in sorted(self.dirty):
            if index >= first and (last is None or index < last):
                self.dirty.discard(index)
                if index in self.resident:
                    self.storage.store(index, self.frames.read(self.resident[index]))

    def release(self) -> None:
        """The file is gone: free its pages. Precondition: nothing maps it."""
        self._drop(0, None)
        self.frames.caches.pop(self, None)

    def _absent(self, index: int) -> bool:
        """A hole of a memory file: reading it makes no page."""
        return self.storage is None and index not in self.resident and index not in self.swapped

    def _load(self, index: int, window: range | None = None) -> tuple[int, bool]:
        slot = self.swapped.get(index)
        major = slot is not None
        if slot is not None:
            frame = self.frames.allocate(self.kind, clear=False)
            self.frames.write(frame, self.frames.swap.content(slot))
            del self.swapped[index]
            self.frames.swap.release(slot)
            self.dirty.add(index)
        elif self.storage is None:
            frame = self.frames.allocate(self.kind)
        else:
            major = not self.is_cached(index)
            if major:
                self._read_around(index, window)
            content = self.storage.load(index)
            frame = self.frames.allocate(self.kind, clear=len(content) < PAGE_SIZE)
            self.frames.write(frame, content[:PAGE_SIZE])
        if not self.resident:
            self.frames.caches[self] = None
        self.resident[index] = frame
        return frame, major

    def _forget_storage(self, size: int) -> None:
        """What the storage holds beyond a shorter length must read as zeros if the file grows again."""
        if self.storage is not None:
            first = (size + PAGE_SIZE - 1) >> PAGE_SHIFT
            for index in self._stored_pages(first, self.page_count):
                self.storage.store(index, b"")

    def _stored_pages(self, first: int, last: int) -> list[int]:
        """Pages of [first, last) that the storage may hold. A sparse file's length says nothing about their number."""
        last = min(last, self.page_count)
        others = [
            index
            for index in (*self._ahead, *self.resident)
            if first <= index < last and index >= self._known
        ]
        return [*range(first, min(last, self._known)), *sorted(set(others))]

    def _read_around(self, index: int, window: range | None) -> None:
        """A page read from the device brings its neighbours (do_sync_mmap_readahead): they count as cached now."""
        if window is None:
            window = range(max(index - READ_AROUND // 2, 0), index + READ_AROUND // 2)
        around = range(window.start, min(window.stop, self.page_count))
        self.evicted.difference_update(around)
        self._ahead.update(page for page in around if page >= self._known)

    def _drop(self, first: int, last: int | None, *, copies: bool = True) -> None:
        self._ahead = {
            index for index in self._ahead if index < first or (last is not None and index >= last)
        }
        for space in list(self.frames.spaces):
            space.unmap_file_pages(self, first, last, copies=copies)
        for index in [index for index in self.resident if index >= first and (last is None or index < last)]:
            self.frames.free(self.resident.pop(index))
            self.dirty.discard(index)
        for index in [index for index in self.swapped if index >= first and (last is None or index < last)]:
            self.frames.swap.release(self.swapped.pop(index))


class MemoryStorage:
    """A disk file kept in host memory; ``pages`` holds what is not zeros."""

    def __init__(self, content: bytes = b"") -> None:
        self.pages: dict[int, bytes] = {
            start >> PAGE_SHIFT: content[start : start + PAGE_SIZE]
            for start in range(0, len(content), PAGE_SIZE)
        }

    def load(self, index: int) -> bytes:
        return self.pages.get(index, b"")

    def store(self, index: int, data: bytes) -> None:
        self.pages[index] = data
