"""Files that are made of records while they are read (fs/seq_file.c): most of /proc.

A read gives whole records as far as they fit a buffer that begins with one page and is doubled for a record that needs
it. What did not fit the caller's count stays in the buffer for the next read; a position that is not where the
last read ended is found by making the records anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.abi.memory import PAGE_SIZE
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.files import OpenFile

if TYPE_CHECKING:
    from toolkit.kernel.fs.vfs import Inode
    from toolkit.kernel.task import Thread

Records = Callable[[int], "tuple[bytes, int] | None"]
"""From a cursor (0: the beginning) to the record there and the cursor of the next; None at the end."""


def one_record(render: Callable[[], bytes]) -> Records:
    """A file that is a single record (single_open)."""
    return lambda cursor: None if cursor else (render(), 1)


def line_records(render: Callable[[], bytes]) -> Records:
    """A file with a record for each line."""

    def record(cursor: int) -> tuple[bytes, int] | None:
        lines = render().splitlines(keepends=True)
        return (lines[cursor], cursor + 1) if cursor < len(lines) else None

    return record


class OpenSequence(OpenFile):
    """An open file of records (struct seq_file)."""

    seekable = True

    def __init__(self, inode: Inode, flags: int, path: bytes, records: Records) -> None:
        super().__init__(inode, flags, path)
        self._records = records
        self._cursor = 0
        self._rest = b""
        """Made and not yet read."""
        self._size = PAGE_SIZE
        self._expected = 0
        """Where ``_rest`` begins in the file."""

    def read(self, thread: Thread, count: int) -> bytes:
        data = self.read_at(thread, count, self.position)
        self.position += len(data)
        return data

    def read_at(self, thread: Thread, count: int, offset: int) -> bytes:
        if not count:
            return b""
        if not offset:
            self._restart()
        if offset != self._expected:
            self._go_to(offset)
        data = self._take(count)
        # What was left of the last record is given first; only then is the buffer filled again.
        if not self._rest:
            self._fill(count - len(data))
            data += self._take(count - len(data))
        self._expected += len(data)
        return data

    def seek(self, offset: int, whence: int) -> int:
        base = {f.SEEK_SET: 0, f.SEEK_CUR: self.position}.get(whence)
        if base is None or base + offset < 0:
            raise SyscallError(Errno.EINVAL)
        self.position = base + offset
        if self.position != self._expected:
            self._go_to(self.position)
        return self.position

    def _restart(self) -> None:
        self._cursor, self._rest = 0, b""

    def _take(self, count: int) -> bytes:
        data, self._rest = self._rest[:count], self._rest[count:]
        return data

    def _next(self) -> bytes | None:
        """The next record that is not empty; None at the end. The buffer grows until it holds it."""
        while (step := self._records(self._cursor)) is not None:
            record, self._cursor = step
            if record:
                while len(record) >= self._size:
                    self._size *= 2
                return record
        return None

    def _fill(self, wanted: int) -> None:
        """Put a record into the empty buffer, and more while fewer than ``wanted`` bytes are there and they fit."""
        self._rest = self._next() or b""
        while self._rest and len(self._rest) < wanted:
            step = self._records(self._cursor)
            if step is None or len(self._rest) + len(step[0]) >= self._size:
                break
            self._rest += step[0]
            self._cursor = step[1]

    def _go_to(self, offset: int) -> None:
        """Make the records up to ``offset`` (traverse); beyond the end there are none."""
        self._restart()
        place = 0
        while place < offset and (record := self._next()) is not None:
            self._rest = record[offset - place :]
            place += len(record)
        self._expected = offset
