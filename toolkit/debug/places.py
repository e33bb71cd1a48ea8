"""What addresses are called, and the text beside them: symbols, source lines, disassembly."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from toolkit.debug.operands import Read
from toolkit.grading.building import sections_of

if TYPE_CHECKING:
    from toolkit.grading.building import Built

_BORDERS = frozenset(("_end", "_edata", "__bss_start", "end", "edata", "_etext", "etext", "__end_of_text"))
"""Symbols that the linker puts between sections: they name no thing."""
_NEAR = 512  # bytes: how far back a symbol is looked for at which disassembly can begin
_AHEAD = 512  # bytes of code that are disassembled


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a listing; ``addresses`` are those of the instructions that it shows, or that came from it."""

    text: str
    addresses: tuple[int, ...] = ()


@dataclass(frozen=True)
class Listing:
    """A source file, or the disassembly of a stretch of memory. ``numbered``: rows are the lines of a file."""

    title: str
    rows: tuple[Row, ...]
    numbered: bool = True
    _index: dict[int, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            for address in row.addresses:
                self._index.setdefault(address, number)

    def find(self, address: int) -> int | None:
        """The row of an instruction."""
        return self._index.get(address)

    def code_from(self, row: int) -> int | None:
        """The first address of the row, or of the next one that has any."""
        return next((each.addresses[0] for each in self.rows[row:] if each.addresses), None)


class Places:
    """The names and lines of one program; ``bias`` is what its addresses were moved by (position-independent programs)."""

    def __init__(self, built: Built, bias: int = 0) -> None:
        self._built = built
        self._bias = bias
        self._listings: dict[str, Listing] = {}
        self._sections = [
            (each.address + bias, each.address + each.size + bias) for each in sections_of(built.elf or b"")
        ]

    @cached_property
    def symbols(self) -> dict[str, int]:
        """Name → address of what lies in the program's sections."""
        moved = ((name, value + self._bias) for name, value in self._built.symbols.items())
        return {
            name: value
            for name, value in moved
            if name not in _BORDERS and any(start <= value <= end for start, end in self._sections)
        }

    @cached_property
    def _sorted(self) -> list[tuple[int, str]]:
        return sorted((address, name) for name, address in self.symbols.items())

    def name(self, address: int) -> str:
        """``table+8``: the nearest symbol at or before an address in the same section; empty where there is none."""
        section = next((each for each in self._sections if each[0] <= address < each[1]), None)
        if section is None:
            return ""
        index = bisect_right(self._sorted, address, key=lambda each: each[0])
        if not index or self._sorted[index - 1][0] < section[0]:
            return ""
        start, name = self._sorted[index - 1]
        return name if start == address else f"{name}+{address - start}"

    def location(self, address: int) -> str:
        """``crash.asm:9``; empty where no line is known."""
        found = self._built.location(address)
        return "" if found is None else str(found)

    def listing(self, address: int, read: Read, bits: int) -> Listing:
        """The source file that an instruction came from; the disassembly around it where there is no source."""
        row = self._built.lines.find(address) if self._built.lines is not None else None
        if row is not None and row.file in self._built.texts:
            return self._source(row.file)
        return self._disassembly(address, read, bits)

    def _source(self, file: str) -> Listing:
        found = self._listings.get(file)
        if found is None:
            addresses: dict[int, list[int]] = {}
            for row in self._built.lines or ():
                if row.file == file:
                    addresses.setdefault(row.line, []).append(row.address)
            rows = tuple(
                Row(text.expandtabs(4), tuple(addresses.get(number, ())))
                for number, text in enumerate(self._built.texts[file], 1)
            )
            found = self._listings[file] = Listing(file, rows)
        return found

    def _disassembly(self, address: int, read: Read, bits: int) -> Listing:
        start = self._beginning(address)
        rows = self._decoded(start, read, bits)
        if not any(row.addresses == (address,) for row in rows):
            rows = self._decoded(address, read, bits)
        return Listing("disassembly", tuple(rows), numbered=False)

    def _beginning(self, address: int) -> int:
        index = bisect_right(self._sorted, address, key=lambda each: each[0])
        start = self._sorted[index - 1][0] if index else address
        return start if address - start < _NEAR else address

    def _decoded(self, start: int, read: Read, bits: int) -> list[Row]:
        import capstone

        code = next((data for size in (_AHEAD, 64, 15) if (data := read(start, size))), None)
        code = code or read(start, 4096 - (start & 4095)) or b""
        engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64 if bits == 64 else capstone.CS_MODE_32)
        rows = []
        for address, _, mnemonic, operands in engine.disasm_lite(code, start):
            name = self.name(address)
            if name and "+" not in name:
                rows.append(Row(f"{name}:"))
            rows.append(Row(f"{address:12x}  {mnemonic} {operands}".rstrip(), (address,)))
        return rows

    @cached_property
    def returns(self) -> frozenset[int]:
        """The addresses of the program's ``ret`` instructions."""
        from toolkit.grading.building import disassemble

        if self._built.elf is None:
            return frozenset()
        code = disassemble(self._built, sections_of(self._built.elf))
        return frozenset(
            each.address + self._bias
            for each in code
            if each.mnemonic in ("ret", "retf", "repz ret", "bnd ret")
        )

    def search(self, text: str) -> Sequence[str]:
        """The symbols with this text in their names, those that begin with it first."""
        found = [name for name in self.symbols if text.lower() in name.lower()]
        return sorted(found, key=lambda name: (not name.lower().startswith(text.lower()), self.symbols[name]))
