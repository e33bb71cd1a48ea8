"""Source files, and the only door to the host's.

Text is kept *latin-1 transparent*: one character stands for one byte of the file, so ``db "é"`` yields the file's bytes
whatever their encoding, as with nasm. Only ``diagnostics.readable`` turns such text back into readable characters.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_SOURCE_BYTES = 32 << 20
MAX_INCBIN_BYTES = 256 << 20
MAX_LINE_BYTES = 4 << 20


class SourceError(Exception):
    """A file can't be used. ``message`` and ``help`` are for the student, ``nasm_message`` is nasm's own wording."""

    def __init__(self, message: str, help: str = "", nasm_message: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.nasm_message = nasm_message or message


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of source text. ``name`` is what diagnostics and ``__FILE__`` show; ``lines`` are nasm's logical lines.

    Each entry of ``lines`` is (line number, text): a backslash before the line's end joins the next line to it, and the
    joined line has the number of its last part, as nasm counts.
    """

    name: str
    lines: tuple[tuple[int, str], ...]
    raw: tuple[str, ...]

    def line(self, number: int) -> str:
        """The text of physical line ``number`` (from 1), empty beyond the end."""
        return self.raw[number - 1] if 0 < number <= len(self.raw) else ""


def split_lines(text: str) -> tuple[tuple[tuple[int, str], ...], tuple[str, ...]]:
    """(logical lines with their numbers, physical lines), split as nasm does (preproc.c, ``line_from_file``).

    LF, CRLF, a lone CR, NUL and ^Z each end a line; a backslash at a line's end continues it.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x1a" in text or "\0" in text:
        text = text.replace("\x1a", "\n").replace("\0", "\n")
    raw = text.split("\n")
    if not raw[-1]:
        raw.pop()
    if "\\\n" not in text:
        return tuple(enumerate(raw, 1)), tuple(raw)
    return tuple(_joined_lines(raw)), tuple(raw)


def _joined_lines(raw: Sequence[str]) -> Iterator[tuple[int, str]]:
    parts: list[str] = []
    for number, text in enumerate(raw, 1):
        if text.endswith("\\") and number < len(raw):
            parts.append(text[:-1])
            continue
        yield number, "".join([*parts, text])
        parts = []


@dataclass(frozen=True, slots=True)
class _Root:
    """A folder files may come from. ``prefix`` is put before names (as nasm's -I text); ``folder`` None: the memory tree."""

    prefix: str
    folder: str | None


class SourceTree:
    """The only way the assembler reaches files: the source's own folder and the ``-I`` folders, nothing else.

    A name is looked for as nasm does: first beside the source, then in each ``-I`` folder in order. Absolute names, ``..`` and
    symbolic links are followed only while the file they end at lies inside one of these folders. Built ``from_memory`` it
    never touches the host. All methods that open raise ``SourceError``.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        include: Sequence[str | os.PathLike[str]] = (),
        *,
        files: Mapping[str, bytes] | None = None,
        max_source_bytes: int = MAX_SOURCE_BYTES,
        max_incbin_bytes: int = MAX_INCBIN_BYTES,
        max_lines: int | None = None,
    ) -> None:
        self.max_lines = max_lines
        self.max_source_bytes = max_source_bytes
        self.max_incbin_bytes = max_incbin_bytes
        self._files = (
            {posixpath.normpath(name): data for name, data in files.items()} if files is not None else None
        )
        self._cache: dict[str, SourceFile] = {}
        self._binary: dict[str, bytes] = {}
        self.used: list[str] = []
        self._roots = [
            self._root(place) for place in [os.fspath(folder or ""), *(os.fspath(i) for i in include)]
        ]

    @classmethod
    def from_path(
        cls, path: str | os.PathLike[str], include: Sequence[str | os.PathLike[str]] = ()
    ) -> tuple[SourceTree, str]:
        """The tree around the source file ``path``, and the name by which ``read`` finds that file in it."""
        text = os.fspath(path)
        folder, name = os.path.split(text)
        return cls(folder, include), name

    @classmethod
    def from_memory(
        cls,
        files: Mapping[str, bytes],
        include: Sequence[str] = (),
        *,
        max_source_bytes: int = MAX_SOURCE_BYTES,
        max_lines: int | None = None,
    ) -> SourceTree:
        """A tree of the given files (name with ``/`` → contents); ``include`` names folders within it.

        A source of more than ``max_source_bytes`` bytes or ``max_lines`` lines is refused.
        """
        return cls("", include, files=files, max_source_bytes=max_source_bytes, max_lines=max_lines)

    def _root(self, place: str) -> _Root:
        prefix = place if not place or place.endswith(("/", os.sep)) else place + "/"
        return _Root(prefix, None if self._files is not None else os.path.realpath(place or "."))

    def read(self, name: str) -> SourceFile:
        """The source text called ``name``, split into lines."""
        found, data = self._open(name, self.max_source_bytes, "source file")
        if found not in self._cache:
            lines, raw = split_lines(data.decode("latin-1"))
            if self.max_lines is not None and len(raw) > self.max_lines:
                raise SourceError(
                    f"`{found}' has {len(raw):,} lines; the limit is {self.max_lines:,}",
                    "put large data into a file of its own and take it in with incbin, or use `times'",
                )
            longest = max(raw, key=len, default="")
            if len(longest) > MAX_LINE_BYTES:
                number = raw.index(longest) + 1
                raise SourceError(
                    f"line {number} of `{found}' is {len(longest):,} bytes long; the limit is {MAX_LINE_BYTES:,}",
                    "put large data into a file of its own and take it in with incbin",
                )
            self._cache[found] = SourceFile(found, lines, raw)
        return self._cache[found]

    def read_binary(self, name: str) -> bytes:
        """The whole contents of ``name``, for incbin."""
        return self._open(name, self.max_incbin_bytes, "incbin file")[1]

    def find(self, name: str) -> str | None:
        """The path ``name`` is found under (for %pathsearch and %depend), or None; never raises."""
        try:
            return self._locate(name)[0]
        except SourceError:
            return None

    def source_line(self, file: str, line: int) -> str:
        """The text of a line of a file already read, for diagnostics; empty when unknown."""
        source = self._cache.get(file)
        return source.line(line) if source else ""

    def _open(self, name: str, limit: int, kind: str) -> tuple[str, bytes]:
        found, path = self._locate(name)
        if found not in self._binary:
            self._binary[found] = self._load(found, path, limit, kind)
            self.used.append(found)
        data = self._binary[found]
        if len(data) > limit:
            raise _too_large(found, len(data), limit, kind)
        return found, data

    def _load(self, found: str, path: str, limit: int, kind: str) -> bytes:
        if self._files is not None:
            return self._files[path]
        try:
            size = os.stat(path).st_size
            if size > limit:
                raise _too_large(found, size, limit, kind)
            with open(path, "rb") as stream:
                return stream.read(limit + 1)
        except OSError as error:
            raise SourceError(f"can't read `{found}': {error.strerror}") from error

    def _locate(self, name: str) -> tuple[str, str]:
        """(shown name, key to load by) of the first root that has ``name``. Raises SourceError when refused or missing."""
        if not name or "\0" in name:
            raise SourceError("a file name can't be empty or contain a NUL byte")
        refused: SourceError | None = None
        for root in self._roots:
            try:
                hit = self._locate_in(root, name)
            except SourceError as error:
                refused = refused or error
                continue
            if hit is not None:
                return hit
        raise refused or _missing(name)

    def _locate_in(self, root: _Root, name: str) -> tuple[str, str] | None:
        shown = root.prefix + name
        if self._files is not None:
            return self._locate_in_memory(shown, name)
        absolute = name.startswith(("/", "\\")) or os.path.isabs(name)
        shown = name if absolute else shown
        # latin-1 transparent text names the file by its bytes, in whatever encoding the host's names are
        path = os.path.realpath(os.path.join(root.folder or "", os.fsdecode(to_bytes(name))))
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError):
            if absolute:
                raise _refusal(shown) from None
            return None
        if not any(_inside(path, r.folder or "") for r in self._roots):
            raise _refusal(shown)
        if stat.S_ISDIR(mode):
            raise SourceError(f"`{shown}' is a directory, not a file", "name a file inside it")
        if not stat.S_ISREG(mode):
            raise SourceError(f"`{shown}' is not a regular file")
        return shown, path

    def _locate_in_memory(self, shown: str, name: str) -> tuple[str, str] | None:
        assert self._files is not None
        key = posixpath.normpath(shown)
        if name.startswith(("/", "\\")) or key == ".." or key.startswith("../"):
            raise _refusal(name)
        if key in self._files:
            return shown, key
        if any(other.startswith(key + "/") for other in self._files):
            raise SourceError(f"`{shown}' is a directory, not a file", "name a file inside it")
        return None


def to_bytes(name: str) -> bytes:
    """A name as its file has it: latin-1 transparent, or a host's name with characters beyond that."""
    try:
        return name.encode("latin-1")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape")


def _inside(path: str, folder: str) -> bool:
    try:
        return Path(path).is_relative_to(folder)
    except (OSError, ValueError):
        return False


def _refusal(name: str) -> SourceError:
    return SourceError(
        f"`{name}' lies outside the source's folder and the -I folders, and is not read",
        "copy the file beside your source, or allow its folder with -I",
    )


def _missing(name: str) -> SourceError:
    return SourceError(
        f"there is no file `{name}' beside the source or in an -I folder",
        "check the spelling and the letter case of the name, and that the file is in the same folder",
        f"unable to open include file `{name}': No such file or directory",
    )


def _too_large(name: str, size: int, limit: int, kind: str) -> SourceError:
    return SourceError(f"`{name}' has {size:,} bytes, too many for one {kind}; the limit is {limit:,}")
