"""Source files and what is said about them: spans, diagnostics, and the only door to the host's files.

Text is kept *latin-1 transparent*: one character stands for one byte of the file, so ``db "é"`` yields the file's bytes
whatever their encoding, as with nasm. Only ``Diagnostic.render`` turns such text back into readable characters.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

MAX_SOURCE_BYTES = 32 << 20
MAX_INCBIN_BYTES = 256 << 20
MAX_LINE_BYTES = 4 << 20
MAX_DIAGNOSTICS = 100
SHOWN_LINE_WIDTH = 200
TAB_WIDTH = 8


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one source line. ``line`` and ``column`` count from 1; ``column`` and ``length`` in bytes; length 0: a point."""

    file: str
    line: int
    column: int = 1
    length: int = 0


@dataclass(frozen=True, slots=True)
class MacroFrame:
    """One step of a macro call stack: the macro's name, and where the line inside it was defined."""

    name: str
    file: str
    line: int


def readable(text: str) -> str:
    """Latin-1 transparent text as the characters its author saw: UTF-8 where it is that, control bytes as ``·``."""
    if text.isascii() and text.isprintable():
        return text
    with suppress(UnicodeEncodeError):
        text = text.encode("latin-1").decode("utf-8", "replace")
    return "".join(c if c == "\t" or c.isprintable() else "·" for c in text)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One complaint about a program.

    ``severity``: "note", "warning", "error" or "fatal". ``message`` and ``help`` are in words for a student; ``nasm_message`` is
    what nasm 2.16.01 says for it (empty: the same as ``message``). ``category`` is nasm's warning class (``label-orphan``), which
    ``-w`` switches name. ``trail`` is the macro call stack, innermost first. ``related`` points at another place
    (the first definition of a label) with a few words. ``expanded`` is the line after macros, where it differs.
    """

    severity: str
    message: str
    span: Span
    source_line: str = ""
    help: str = ""
    nasm_message: str = ""
    trail: tuple[MacroFrame, ...] = ()
    category: str = ""
    related: tuple[tuple[str, Span], ...] = ()
    expanded: str = ""
    also: tuple[str, ...] = ()

    @property
    def is_error(self) -> bool:
        """Whether it keeps the program from being built."""
        return self.severity in ("error", "fatal")

    def render(self, color: bool = False) -> str:
        """Several lines for a reader: place and message, source line with a caret, help, macro trail, related places."""
        paint = _paint if color else _plain
        word = "error" if self.severity == "fatal" else self.severity
        line = self.span.line  # 0: only the file is known, as for an object without line information
        place = f"{self.span.file}:{line}:{self.span.column}:" if line else f"{self.span.file}:"
        lines = [f"{paint(place, '1')} {paint(word + ':', _COLORS.get(word, '1'))} {readable(self.message)}"]
        if self.source_line.strip():
            shown, caret = self._excerpt()
            number = str(self.span.line)
            lines.append(f" {number} | {shown}")
            lines.append(f" {' ' * len(number)} | {paint(caret, _COLORS.get(word, '1'))}")
        if self.expanded:
            lines.append(
                f"  {paint('after macros:', '36')} {readable(self.expanded[:SHOWN_LINE_WIDTH]).strip()}"
            )
        if self.help:
            label, pad = paint("help:", "36"), "\n        "
            lines.append(f"  {label} " + readable_lines(self.help).replace("\n", pad))
        for frame in self.trail:
            lines.append(f"  in macro `{frame.name}', line {frame.line} of {frame.file}")
        for words, span in self.related:
            lines.append(f"  {span.file}:{span.line}: {words}")
        return "\n".join(lines)

    def render_nasm(self) -> str:
        """The one-line form nasm prints, with a ``... from macro`` line for each frame, outermost first.

        Empty for a note that is ours alone.
        """
        if self.severity == "note" and not self.nasm_message:
            return ""
        tail = f" [-w+{self.category}]" if self.category else ""
        place = f"{self.span.file}:{self.span.line}" if self.span.line else self.span.file
        text = f"{place}: {self.severity}: {self.nasm_message or self.message}{tail}"
        frames = [f"{f.file}:{f.line}: ... from macro `{f.name}' defined here" for f in reversed(self.trail)]
        notes = [f"{span.file}:{span.line}: info: {words}" for words, span in self.related]
        further = [line for words in self.also for line in (f"{place}: {words}", *frames)]
        return "\n".join([readable_lines(text), *frames, *notes, *further])

    def as_json(self) -> dict[str, object]:
        """A dict of plain JSON values with stable keys."""
        return {
            "severity": self.severity,
            "message": readable_lines(self.message),
            "help": readable_lines(self.help),
            "nasm_message": readable_lines(self.nasm_message or self.message),
            "category": self.category,
            "location": {"file": self.span.file, "line": self.span.line, "column": self.span.column},
            "length": self.span.length,
            "source_line": readable(self.source_line[:SHOWN_LINE_WIDTH]),
            "trail": [{"macro": f.name, "file": f.file, "line": f.line} for f in self.trail],
            "expanded": readable(self.expanded[:SHOWN_LINE_WIDTH]),
            "related": [{"message": w, "file": s.file, "line": s.line} for w, s in self.related],
        }

    def _excerpt(self) -> tuple[str, str]:
        """The source line as shown, and the caret line below it: tabs expanded, far columns scrolled into view."""
        start = min(max(self.span.column - 1, 0), len(self.source_line))
        stop = min(start + max(self.span.length, 1), len(self.source_line))
        before, marked = self.source_line[:start], self.source_line[start:stop]
        if start > SHOWN_LINE_WIDTH - 40:
            before = "..." + before[-40:]
        left = readable(before).expandtabs(TAB_WIDTH)
        through = readable(before + marked).expandtabs(TAB_WIDTH)
        shown = readable(before + self.source_line[start:]).expandtabs(TAB_WIDTH).rstrip()
        if len(shown) > SHOWN_LINE_WIDTH:
            shown = shown[:SHOWN_LINE_WIDTH] + "..."
        width = max(1, min(len(through), SHOWN_LINE_WIDTH) - len(left))
        return shown, " " * len(left) + "^" * width


def readable_lines(text: str) -> str:
    """``readable`` for text of several lines."""
    return "\n".join(readable(line) for line in text.split("\n"))


_COLORS = {"error": "1;31", "warning": "1;35", "note": "1;36"}


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def _plain(text: str, code: str) -> str:
    return text


class BuildError(Exception):
    """A program could not be built; ``diagnostics`` say why, errors and warnings in source order."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(d.render() for d in self.diagnostics))

    def __reduce__(self) -> tuple[type[BuildError], tuple[tuple[Diagnostic, ...]]]:
        return (BuildError, (self.diagnostics,))


@dataclass(slots=True)
class Diagnostics:
    """Collects what is said about one program: every error of the file in one run, equal ones once, at most ``limit``."""

    limit: int = MAX_DIAGNOSTICS
    items: list[Diagnostic] = field(default_factory=list)
    suppressed: int = 0
    _seen: set[tuple[object, ...]] = field(default_factory=set)
    _errors: int = 0  # among the items
    _lines: set[tuple[str, int]] = field(default_factory=set)  # of which an item speaks

    def only_counts(self, file: str, line: int) -> bool:
        """Whether no more can be kept of what is said of a line, and then counts it: a program may be wrong in every line."""
        if self._errors < self.limit or (file, line) in self._lines:
            return False
        self.suppressed += 1
        return True

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep it, unless the same was said of the same place, or the limit is reached (an error then displaces a warning)."""
        d = diagnostic
        key = (d.severity, d.message, d.span, d.trail)
        if key in self._seen:
            return
        if len(self.items) >= self.limit and not self._make_room(d):
            self.suppressed += 1
            return
        self._seen.add(key)
        self._lines.add((d.span.file, d.span.line))
        self._errors += d.is_error
        self.items.append(d)

    def _make_room(self, newcomer: Diagnostic) -> bool:
        if not newcomer.is_error or self._errors == len(self.items):
            return False
        for index in range(len(self.items) - 1, -1, -1):
            if not self.items[index].is_error:
                del self.items[index]
                self.suppressed += 1
                return True
        return False

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self.add(diagnostic)

    def clear(self) -> None:
        """Forget everything (a new pass says it again)."""
        self.items.clear()
        self._seen.clear()
        self._lines.clear()
        self.suppressed = self._errors = 0

    @property
    def has_errors(self) -> bool:
        return any(d.is_error for d in self.items)

    def finished(self) -> tuple[Diagnostic, ...]:
        """Everything said, in order, with a closing note when more was left out."""
        if not self.suppressed:
            return tuple(self.items)
        last = self.items[-1].span if self.items else Span("", 1)
        note = f"{self.suppressed} more messages are not shown"
        return (*self.items, Diagnostic("note", note, replace(last, length=0)))

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


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
