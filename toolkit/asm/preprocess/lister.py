"""The lines of a listing as the preprocessor comes to them: files' and macro bodies', wanted or not (nasm's listing.c)."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.asm.preprocess.state import InputFile, ListedLine


class Lister:
    """Takes each line a run looks at; ``files`` are those being read, the innermost last."""

    def __init__(self) -> None:
        self.lines: list[ListedLine] = []
        self._first: dict[
            tuple[str, int], int
        ] = {}  # by file and last number of a line, the number of its first part

    def file_line(self, files: Sequence[InputFile], line: int, text: str, kept: bool) -> None:
        """The line of the innermost file that its ``position`` is behind."""
        source = files[-1]
        before = source.source.lines[source.position - 2][0] if source.position > 1 else 0
        first = self._first[source.name, line] = source.number(before + 1)
        self.lines.append(ListedLine(_level(files), source.name, first, text, kept, line))

    def body_line(self, files: Sequence[InputFile], file: str, line: int, text: str, kept: bool) -> None:
        """A line of a macro's or repetition's body, which stands in ``file``."""
        first = self._first.get((file, line), line)
        self.lines.append(ListedLine(_level(files), file, first, text, kept, line))


def _level(files: Sequence[InputFile]) -> int:
    level = len(files) - 1
    for source in files:
        invocation = source.invocation
        while invocation is not None:
            level += invocation.visible
            invocation = invocation.enclosing
    return level
