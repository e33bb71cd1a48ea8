"""Where the pages of a regular file come from: bytes given to the kernel, or a file of the host, read-only."""

from __future__ import annotations

import os

from toolkit.abi.memory import PAGE_SIZE


class BytesStorage:
    """A file whose first contents are `data`; pages stored later are kept beside it."""

    __slots__ = ("_data", "_stored")

    def __init__(self, data: bytes = b"") -> None:
        self._data = data
        self._stored: dict[int, bytes] = {}

    def load(self, index: int) -> bytes:
        """Up to 4096 bytes of a page; b"" is a page of zeros."""
        stored = self._stored.get(index)
        if stored is not None:
            return stored
        start = index * PAGE_SIZE
        return self._data[start : start + PAGE_SIZE]

    def store(self, index: int, data: bytes) -> None:
        """Keep a page."""
        self._stored[index] = data


class HostStorage:
    """A file of the host, read when the program first needs a page; what the program writes stays in memory.

    A host file that vanishes or shrinks meanwhile reads as zeros.
    """

    __slots__ = ("_stored", "host_path")

    def __init__(self, host_path: str) -> None:
        self.host_path = host_path
        self._stored: dict[int, bytes] = {}

    @property
    def changed(self) -> bool:
        """Whether pages were stored here."""
        return bool(self._stored)

    def load(self, index: int) -> bytes:
        """Up to 4096 bytes of a page."""
        stored = self._stored.get(index)
        if stored is not None:
            return stored
        try:
            with open(self.host_path, "rb", opener=open_without_following) as file:
                file.seek(index * PAGE_SIZE)
                return file.read(PAGE_SIZE)
        except OSError:
            return b""

    def store(self, index: int, data: bytes) -> None:
        """Keep a page in memory; the host's file is never written."""
        self._stored[index] = data


def open_without_following(path: str, flags: int) -> int:
    """An opener that refuses a symbolic link in the last place, where the host can."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
