"""The listing file of ``-l``, as nasm writes it: line number, offset, bytes, nesting level, source (nasm's listing.c)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toolkit.abi.elf import SHT_NOBITS
from toolkit.asm.diagnostics import Diagnostic
from toolkit.asm.layout import Record
from toolkit.asm.parser_statement import INCBIN, RESERVE
from toolkit.asm.preprocess import ListedLine

if TYPE_CHECKING:
    from toolkit.asm.layout_run import Outcome
    from toolkit.asm.statement import Fixup

COLUMNS = 18  # hexadecimal characters on one line


def render(outcome: Outcome, diagnostics: tuple[Diagnostic, ...] = ()) -> str:
    """The whole listing: every line the preprocessor looked at, with what the assembler placed for it."""
    listing = _Listing(outcome, diagnostics)
    switches = dict(outcome.listing_switches)
    on = True
    for index, line in enumerate(outcome.listed):
        if on:
            listing.line(index, line)
        on = switches.get(index, on)
    return "".join(line + "\n" for line in listing.lines)


class _Listing:
    def __init__(self, outcome: Outcome, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.lines: list[str] = []
        self.records: dict[int, list[Record]] = {}
        for record in outcome.records:
            self.records.setdefault(record.line.listed, []).append(record)
        self.complaints: dict[tuple[str, int], list[Diagnostic]] = {}
        for diagnostic in diagnostics:
            place = diagnostic.trail[0] if diagnostic.trail else diagnostic.span
            self.complaints.setdefault((place.file, place.line), []).append(diagnostic)
        self.fixups: dict[str, dict[int, Fixup]] = {
            section.name: {fixup.offset: fixup for fixup in section.fixups}
            for section in outcome.module.sections
        }

    def line(self, index: int, line: ListedLine) -> None:
        """One line, and what was said of it the first time."""
        self._show(line.number, line.text, self.records.get(index, []), line.level)
        if not line.kept:
            for diagnostic in self.complaints.pop((line.file, line.line), ()):
                self._complain(diagnostic, line)

    def _show(self, number: int, text: str, records: list[Record], level: int) -> None:
        tag = f"{' ' if level < 10 else ''}<{level}>" if level else "    "
        source = f" {text}"
        rows = _rows([chunk for record in records for chunk in self._chunks(record)])
        if not rows:
            self.lines.append(f"{number:6d} {'':{COLUMNS + 10}}{tag}{source}")
        for index, (offset, data) in enumerate(rows):
            start = f"{number:6d} {offset & 0xFFFFFFFF:08X} {data:<{COLUMNS + 1}}"
            self.lines.append(start + (tag + source if not index else tag if level else ""))

    def _complain(self, diagnostic: Diagnostic, line: ListedLine) -> None:
        words = diagnostic.render_nasm().split("\n")[0].partition(": ")[2]
        if words:  # not a note of ours
            tag = f" {' ' if line.level < 10 else ''}<{line.level}>" if line.level else "     "
            self.lines.append(f"{line.number:6d}          {'*' * COLUMNS}{tag}  {words}")

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


def _rows(chunks: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Chunks joined to rows of at most ``COLUMNS`` characters; a row that goes on ends with a hyphen."""
    rows: list[tuple[int, str]] = []
    row, start = "", 0
    for offset, text in chunks:
        if len(row) + len(text) > COLUMNS:
            rows.append((start, row + "-"))
            row = ""
        if not row and not text.startswith("<rep"):  # which nasm puts where the row before it began
            start = offset
        row += text
    if row:
        rows.append((start, row))
    return rows
