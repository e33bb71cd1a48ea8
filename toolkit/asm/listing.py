"""The listing file of ``-l``, as nasm writes it: line number, offset, bytes, nesting level, source (nasm's listing.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.abi.elf import SHT_NOBITS
from toolkit.asm.layout import Record
from toolkit.asm.parser import INCBIN, RESERVE
from toolkit.asm.source import Diagnostic, SourceError, SourceTree

if TYPE_CHECKING:
    from toolkit.asm.layout_run import Outcome
    from toolkit.asm.statement import Fixup

COLUMNS = 18  # hexadecimal characters on one line
_INCLUDE = re.compile(r"\s*%include\s+[\"'`](.+)[\"'`]", re.IGNORECASE)
_OPENS = re.compile(r"%(i?r?macro|rep)\b")
_CLOSES = re.compile(r"%(endm|endmacro|endrep)\b")
_COUNT = re.compile(r"\s*%rep\s+(\d{1,9})\s*(?:;.*)?", re.IGNORECASE)
MAX_DEPTH = 40
MAX_SILENT_LINES = 100_000


def _frames(record: Record) -> list[tuple[str, int]]:
    """The lines of macro bodies a record came through, outermost first."""
    line = record.line
    return [(frame.file, frame.line) for frame in reversed(line.trail)] or [(line.file, line.line)]


def render(outcome: Outcome, tree: SourceTree, main: str, diagnostics: tuple[Diagnostic, ...] = ()) -> str:
    """The whole listing. ``main`` is the source's name in ``tree``."""
    listing = _Listing(outcome, tree, diagnostics)
    source = tree.read(main)
    listing.file(source.name, len(source.raw), 0)
    return "".join(line + "\n" for line in listing.lines)


class _Listing:
    def __init__(self, outcome: Outcome, tree: SourceTree, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.tree = tree
        self.lines: list[str] = []
        self.records: dict[tuple[str, int], list[Record]] = {}
        for record in outcome.records:
            place = (record.line.report_file, record.line.report_line)
            self.records.setdefault(place, []).append(record)
        self.macros: dict[str, tuple[str, int]] = {}
        self.counts: dict[str, int] = {}
        self.bodies: dict[tuple[str, int], tuple[int, int]] = {}
        self.position = {id(record): index for index, record in enumerate(outcome.records)}
        self.files = {record.line.report_file for record in outcome.records}
        self.complaints: dict[tuple[str, int], list[Diagnostic]] = {}
        for diagnostic in diagnostics:
            span = diagnostic.span
            self.complaints.setdefault((span.file, span.line), []).append(diagnostic)
        self.fixups: dict[str, dict[int, Fixup]] = {
            section.name: {fixup.offset: fixup for fixup in section.fixups}
            for section in outcome.module.sections
        }

    def file(self, name: str, count: int, level: int) -> None:
        """Every line of a file, with what its macros made and the files it includes."""
        self.counts[name] = count
        repeated: list[tuple[int, Record]] = []
        depth = defining = outermost = 0
        for number in range(1, count + 1):
            text = self.tree.source_line(name, number)
            records = self.records.get((name, number), [])
            word = text.split(None, 1)[0].lower() if text.strip() else ""
            if depth and records:  # the body of a %rep is listed behind its end, once for each time
                repeated += [(self.position[id(record)], record) for record in records]
                records = []
            if word == "%rep" and not depth:
                outermost = number
            depth += (word == "%rep") - (word == "%endrep" and depth > 0)
            own = [record for record in records if not record.line.trail]
            self._show(number, text, own, level)
            expanded = [record for record in records if record.line.trail]
            self._expansions(expanded, level)
            defining -= word in ("%endm", "%endmacro")
            if not expanded and not records and not defining and not depth:
                self._silent_call(name, number, text, word, level)
            defining += word in ("%macro", "%imacro", "%rmacro", "%irmacro")
            if repeated and not depth:
                self._expansions([record for _, record in sorted(repeated, key=lambda pair: pair[0])], level)
                repeated = []
            elif word == "%endrep" and not depth and not defining:
                self._silent_repetition(name, outermost, number, level)
            self._complain(name, number, level)
            included = _INCLUDE.match(text)
            found = self.tree.find(included.group(1)) if included else None
            if found is not None and found in self.files and level < MAX_DEPTH:
                self.file(found, len(self.tree.read(included.group(1)).raw) if included else 0, level + 1)

    def _expansions(self, records: list[Record], level: int, depth: int = 0) -> None:
        """The bodies that macro calls and repetitions went through; ``depth`` counts the calls around them."""
        index = 0
        while index < len(records):
            file, line = _frames(records[index])[depth]
            start, end = self._body(file, line)
            before = index
            for number in range(start + 1, end):
                group: list[Record] = []
                once = not records[before].line.trail
                while index < len(records) and _frames(records[index])[depth : depth + 1] == [(file, number)]:
                    group.append(records[index])
                    index += 1
                    if once:
                        break
                own = [record for record in group if len(_frames(record)) == depth + 1]
                self._show(number, _tidied(self.tree.source_line(file, number)), own, level + 1)
                nested = [record for record in group if len(_frames(record)) > depth + 1]
                if nested:
                    self._expansions(nested, level + 1, depth + 1)
            index += index == before

    def _silent_repetition(self, file: str, start: int, end: int, level: int) -> None:
        """A %rep whose body made nothing is listed too; how often is known where its count is a plain number."""
        count = _COUNT.fullmatch(self.tree.source_line(file, start))
        times = int(count.group(1)) if count else 0
        if times * (end - start) > MAX_SILENT_LINES:
            return
        for _ in range(times):
            for number in range(start + 1, end):
                text = self.tree.source_line(file, number)
                self._show(number, _tidied(text), [], level + 1)
                word = text.split(None, 1)[0].lower() if text.strip() else ""
                self._silent_call(file, number, text, word, level + 1)

    def _silent_call(self, file: str, number: int, text: str, word: str, level: int) -> None:
        """A call of a macro whose body made nothing is listed with its body all the same."""
        if word in ("%macro", "%imacro"):
            parts = text.split()
            self.macros[parts[1] if len(parts) > 1 else ""] = (file, number)
        place = self.macros.get(text.split(None, 1)[0]) if text.strip() else None
        if place is not None and place != (file, number):
            start, end = self._body(place[0], place[1] + 1)
            for line in range(start + 1, end):
                self._show(line, _tidied(self.tree.source_line(place[0], line)), [], level + 1)

    def _body(self, file: str, line: int) -> tuple[int, int]:
        """The lines of the %macro or %rep around ``line`` and of its end."""
        found = self.bodies.get((file, line))
        if found is None:
            found = self.bodies[file, line] = (self._edge(file, line, -1), self._edge(file, line, 1))
        return found

    def _count(self, file: str) -> int:
        """Lines of a file that the program was read from."""
        name = file.rsplit("/", 1)[-1]
        try:
            self.counts[file] = len(self.tree.read(name).raw)
        except SourceError:
            self.counts[file] = 0
        return self.counts[file]

    def _edge(self, file: str, line: int, step: int) -> int:
        last = self.counts.get(file) or self._count(file)
        depth = 0
        number = line + step
        while 0 < number <= last:
            word = self.tree.source_line(file, number).lstrip()[:9].lower()
            opens, closes = bool(_OPENS.match(word)), bool(_CLOSES.match(word))
            inner, outer = (closes, opens) if step < 0 else (opens, closes)
            if outer and not depth:
                return number
            depth += inner - outer
            number += step
        return number

    def _show(self, number: int, text: str, records: list[Record], level: int) -> None:
        tag = f"{' ' if level < 10 else ''}<{level}>" if level else "    "
        source = f" {text}"
        rows = _rows([chunk for record in records for chunk in self._chunks(record)])
        if not rows:
            self.lines.append(f"{number:6d} {'':{COLUMNS + 10}}{tag}{source}")
        for index, (offset, data) in enumerate(rows):
            start = f"{number:6d} {offset & 0xFFFFFFFF:08X} {data:<{COLUMNS + 1}}"
            self.lines.append(start + (tag + source if not index else tag if level else ""))

    def _complain(self, name: str, number: int, level: int) -> None:
        for diagnostic in self.complaints.get((name, number), []):
            fill = "*" * COLUMNS
            tag = f" {' ' if level < 10 else ''}<{level}>" if level else "     "
            words = diagnostic.render_nasm().split("\n")[0].partition(": ")[2]
            self.lines.append(f"{number:6d}          {fill}{tag}  {words}")

    def _chunks(self, record: Record) -> Iterator[tuple[int, str]]:
        """(offset, text) of each piece that may not be broken."""
        size = record.length // record.times if record.times else 0
        if record.kind == INCBIN:
            yield record.offset, f"<bin {size:X}h>"
        elif record.kind == RESERVE:
            yield record.offset, "??" * size if size <= 8 else f"<res {size:X}h>"
        else:
            yield from self._bytes(record, size)
        if record.times > 1:
            yield record.offset + size, f"<rep {record.times:X}h>"

    def _bytes(self, record: Record, size: int) -> Iterator[tuple[int, str]]:
        section = record.section
        if section is None or section.type == SHT_NOBITS:
            yield record.offset, "??" * size if size <= 8 else f"<res {size:X}h>"
            return
        fixups = self.fixups.get(section.name, {})
        offset, end = record.offset, record.offset + size
        while offset < end:
            fixup = fixups.get(offset)
            if fixup is None:
                yield offset, f"{section.contents[offset]:02X}"
                offset += 1
                continue
            value = fixup.value.constant & (1 << fixup.size * 8) - 1
            brackets = "()" if fixup.relative else "[]"
            yield offset, brackets[0] + value.to_bytes(fixup.size, "little").hex().upper() + brackets[1]
            offset += fixup.size


def _tidied(text: str) -> str:
    """A line of a macro's body as nasm keeps it: one blank for each run of them, no comment."""
    pieces = re.split(r"('[^']*'|\"[^\"]*\"|`[^`]*`|;.*)", text)
    kept = [re.sub(r"\s+", " ", piece) if index % 2 == 0 else piece for index, piece in enumerate(pieces)]
    return "".join(piece for piece in kept if not piece.startswith(";")).rstrip()


def _rows(chunks: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Chunks joined to rows of at most ``COLUMNS`` characters; a row that goes on ends with a hyphen."""
    rows: list[tuple[int, str]] = []
    row, start = "", 0
    for offset, text in chunks:
        if len(row) + len(text) > COLUMNS:
            rows.append((start, row + "-"))
            row = ""
        if not row:
            start = offset
        row += text
    if row:
        rows.append((start, row))
    return rows
