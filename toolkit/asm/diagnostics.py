"""What is said about a program: places in its source, diagnostics in several forms, and the collection of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

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
