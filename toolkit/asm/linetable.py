"""Which source line each byte of machine code came from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Row(NamedTuple):
    """``length`` bytes from ``address`` on came from ``line`` of ``file``.

    In an object ``address`` is the offset within ``section``; in a linked program it is the virtual address and ``section`` is "".
    """

    section: str
    address: int
    length: int
    file: str
    line: int

    @property
    def offset(self) -> int:
        return self.address


@dataclass(frozen=True, slots=True)
class LineTable:
    """Rows sorted by section and address; they do not overlap within a section. Picklable; built with ``of``."""

    rows: tuple[Row, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[Row | tuple[str, int, int, str, int]]) -> LineTable:
        """A table of ``rows`` in any order; empty rows are dropped, neighbours of the same line are joined."""
        merged: list[Row] = []
        for row in sorted(Row(*r) for r in rows if r[2] > 0):
            last = merged[-1] if merged else None
            if (
                last
                and last.section == row.section
                and last[3:] == row[3:]
                and last.address + last.length == row.address
            ):
                merged[-1] = last._replace(length=last.length + row.length)
            else:
                merged.append(row)
        return cls(tuple(merged))

    def find(self, address: int, section: str = "") -> Row | None:
        """The row that covers ``address`` (an offset when ``section`` is named), or None."""
        index = bisect_right(self.rows, (section, address), key=lambda row: (row.section, row.address))
        if index == 0:
            return None
        row = self.rows[index - 1]
        covers = row.section == section and row.address <= address < row.address + row.length
        return row if covers else None

    def of_line(self, file: str, line: int) -> tuple[Row, ...]:
        """Every row that came from ``line`` of ``file``, in address order."""
        return tuple(row for row in self.rows if row.line == line and row.file == file)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)
