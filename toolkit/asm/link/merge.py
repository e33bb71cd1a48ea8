"""Merge SHF_MERGE sections as BFD does (bfd/merge.c): equal constants once, a string that ends another inside it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import InputSection


@dataclass(eq=False, slots=True)
class Piece:
    """One constant or string (with its terminator). ``index`` is its offset in ``section`` after merging."""

    data: bytes
    alignment: int
    section: InputSection
    index: int = 0
    suffix_of: Piece | None = None
    deleted: bool = False


@dataclass(eq=False, slots=True)
class Pieces:
    """Where each stretch of an input section went."""

    starts: list[int] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    length: int = 0
    section: InputSection | None = None

    def place(self, offset: int) -> int:
        """Offset in the output section of what stood at ``offset``; beyond the end: the end, as BFD."""
        section = self.section
        assert section is not None
        if offset < 0 or offset >= self.length:
            return section.offset + section.size
        at = bisect_right(self.starts, offset) - 1
        piece = self.pieces[at]
        inside = offset - self.starts[at]
        if inside >= len(piece.data):
            inside = len(piece.data) - 1
        target = piece
        extra = 0
        if piece.suffix_of is not None:
            target = piece.suffix_of
            extra = len(target.data) - len(piece.data)
        return target.section.offset + target.index + extra + inside


_Group = tuple[str, int, int, int]


def merge_sections(context: Context) -> None:
    """Replace the contents of mergeable input sections by what is left to each of them."""
    groups: dict[_Group, list[InputSection]] = {}
    for file in context.files:
        for section in file.sections:
            if section is not None and section.flags & elf.SHF_MERGE and _is_mergeable(section):
                assert section.output is not None
                kind = section.flags & elf.SHF_STRINGS
                key = (section.output.name, kind, section.entry_size, section.alignment)
                groups.setdefault(key, []).append(section)
    for (_, kind, entry_size, _), sections in groups.items():
        if kind:
            _merge_strings(sections, entry_size)
        else:
            _merge_constants(sections, entry_size)


def _is_mergeable(section: InputSection) -> bool:
    if section.output is None or not section.size or not section.entry_size or section.relocations:
        return False
    if section.type == elf.SHT_NOBITS or section.size % section.entry_size:
        return False
    entry, alignment = section.entry_size, section.alignment
    if entry < alignment and (entry & (entry - 1) or not section.flags & elf.SHF_STRINGS):
        return False
    return not (entry > alignment and entry % alignment)


def _add(
    table: dict[bytes, Piece], order: list[Piece], data: bytes, alignment: int, section: InputSection
) -> Piece:
    """The piece with these bytes; a less aligned one found is dropped for a new one."""
    found = table.get(data)
    if found is not None:
        if found.alignment >= alignment:
            return found
        found.deleted = True
    piece = Piece(data, alignment, section)
    if found is not None:
        found.suffix_of = piece
    table[data] = piece
    order.append(piece)
    return piece


def _merge_constants(sections: list[InputSection], size: int) -> None:
    table: dict[bytes, Piece] = {}
    order: list[Piece] = []
    for section in sections:
        moved = Pieces(length=section.size, section=section)
        data = bytes(section.data)
        for start in range(0, section.size, size):
            moved.starts.append(start)
            moved.pieces.append(_add(table, order, data[start : start + size], section.alignment, section))
        section.moved = moved
    _assign(sections, order)


def _split_strings(data: bytes, entry: int) -> list[tuple[int, int]]:
    """(start, end) of each string with its terminator."""
    found = []
    start = 0
    zero = bytes(entry)
    while start < len(data):
        if entry == 1:
            end = data.find(b"\0", start) + 1
        else:
            end = start
            while end < len(data) and data[end : end + entry] != zero:
                end += entry
            end += entry
        end = end if 0 < end <= len(data) else len(data)
        found.append((start, end))
        start = end
    return found


def _merge_strings(sections: list[InputSection], entry: int) -> None:
    table: dict[bytes, Piece] = {}
    order: list[Piece] = []
    usable = []
    for section in sections:
        data = bytes(section.data)
        if data[-entry:] != bytes(entry):
            continue
        usable.append(section)
        section.moved = _record_strings(section, data, entry, table, order)
    _share_suffixes([piece for piece in order if not piece.deleted], entry)
    padded = all(not section.size % section.alignment for section in usable)
    _assign(usable, order)
    last = order[-1].section if order else None  # of the last string met, be it a part of another
    if padded and last is not None and last.size:  # where every input ended aligned, the whole does too
        last.data = bytes(last.data) + bytes(-last.size % last.alignment)
        last.size = len(last.data)


def _record_strings(
    section: InputSection, data: bytes, entry: int, table: dict[bytes, Piece], order: list[Piece]
) -> Pieces:
    moved = Pieces(length=section.size, section=section)
    alignment = section.alignment
    empty_seen = False
    zero = bytes(entry)
    for start, end in _split_strings(data, entry):
        string = data[start:end]
        at = start | alignment
        own = at & -at
        if string == zero and start and own != alignment:
            continue  # padding: counts to the string before
        if string == zero and start and empty_seen:
            moved.starts.append(start)
            moved.pieces.append(table[zero])
            continue
        empty_seen = empty_seen or string == zero
        moved.starts.append(start)
        moved.pieces.append(_add(table, order, string, own, section))
    return moved


def _share_suffixes(pieces: list[Piece], entry: int) -> None:
    """Let every string that ends a longer one lie inside it, where the alignments allow."""
    alignments = {piece.alignment for piece in pieces}
    by_length = len(alignments) == 1 and next(iter(alignments)) > entry
    alignment = next(iter(alignments)) if by_length else 1

    def key(piece: Piece) -> tuple[int, bytes]:
        body = piece.data[:-entry]
        return (len(body) & (alignment - 1), body[::-1])

    ordered = sorted(pieces, key=key)
    holder: Piece | None = None
    for piece in reversed(ordered):
        if (
            holder is not None
            and holder.alignment >= piece.alignment
            and not (len(holder.data) - len(piece.data)) & (piece.alignment - 1)
            and len(holder.data) > len(piece.data)
            and holder.data.endswith(piece.data)
        ):
            piece.suffix_of = holder
        else:
            holder = piece


def _assign(sections: list[InputSection], order: list[Piece]) -> None:
    """Lay the pieces that stay out in the section each was first seen in."""
    bodies: dict[InputSection, bytearray] = {section: bytearray() for section in sections}
    for piece in order:
        if piece.deleted or piece.suffix_of is not None:
            continue
        body = bodies[piece.section]
        body += bytes(-len(body) % piece.alignment)
        piece.index = len(body)
        body += piece.data
    for piece in order:
        while piece.suffix_of is not None and piece.suffix_of.suffix_of is not None:
            piece.suffix_of = piece.suffix_of.suffix_of
    for section, body in bodies.items():
        section.data = body
        section.size = len(body)
        if not body and section.output is not None:
            section.output.inputs.remove(section)
