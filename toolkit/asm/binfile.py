"""Flat binary files: where each section is loaded and lies in the file, and its fields filled in (nasm manual 8.1, outbin.c).

Sections with contents are ordered by ``follows=`` and ``start=``, get their place in the file one behind the other, then all
sections get the address their labels count from (``vstart``). A contradiction is reported in nasm's words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.abi.elf import SHT_NOBITS
from toolkit.asm.diagnostics import Span
from toolkit.asm.objfile import Section, Symbol

if TYPE_CHECKING:
    from toolkit.asm.layout_run import Outcome
    from toolkit.asm.reports import Reporter
    from toolkit.asm.statement import Fixup

MAX_FILE = 256 << 20  # bytes; gaps between sections count
DEFAULT_ALIGNMENT = 4


class BinError(Exception):
    """The sections can't be laid out as asked; the message is nasm's."""


@dataclass(eq=False, slots=True)
class Placed:
    """A section's places: ``start`` in the file's addresses, ``vstart`` what its labels count from. None: not yet known."""

    section: Section
    start: int | None = None
    vstart: int | None = None
    align: int | None = None
    valign: int | None = None
    follows: str | None = None
    vfollows: str | None = None
    previous: Placed | None = None

    @property
    def name(self) -> str:
        return self.section.name

    @property
    def length(self) -> int:
        return self.section.length

    @property
    def end(self) -> int:
        return (self.start or 0) + self.length


def _placed(section: Section, previous: Placed | None) -> Placed:
    def number(name: str) -> int | None:
        value = section.attributes.get(name)
        return value if isinstance(value, int) else None

    def name(key: str) -> str | None:
        value = section.attributes.get(key)
        return value if isinstance(value, str) else None

    return Placed(
        section, number("start"), number("vstart"), number("align"), number("valign"), name("follows"),
        name("vfollows"), None if section.name == ".bss" else previous,
    )  # fmt: skip


def _aligned(value: int, alignment: int) -> int:
    return (value + alignment - 1) & -alignment


def place_sections(sections: list[Section], origin: int | None) -> tuple[list[Placed], int]:
    """(all sections in order, those with contents first; the address of the file's first byte). Raises BinError."""
    every: list[Placed] = []
    for section in sections:
        every.append(_placed(section, every[-1] if every else None))
    full = [p for p in every if p.section.type != SHT_NOBITS]
    empty = [p for p in every if p.section.type == SHT_NOBITS]
    for p in empty:
        _merge_real_and_virtual(p)
    full = _by_start(_by_follows(full))
    begin = _place_in_file(full, origin)
    _place_virtually([*full, *empty], full[-1])
    return [*full, *empty], begin


def _merge_real_and_virtual(p: Placed) -> None:
    """For a section without contents both kinds of attribute mean the same."""
    real = (p.start, p.align, p.follows)
    virtual = (p.vstart, p.valign, p.vfollows)
    if any(r is not None for r in real):
        if any(v is not None for v in virtual):
            raise BinError(f"cannot mix real and virtual attributes in nobits section ({p.name})")
        p.vstart, p.valign, p.vfollows = real
        p.follows = None
    p.start = p.vstart


def _by_follows(sections: list[Placed]) -> list[Placed]:
    """Move each section with ``follows=``, and those that implicitly come after it, behind the one it names."""
    order = list(sections)
    for leader in [p for p in sections if p.follows is not None]:
        target = next((p for p in order if p.name == leader.follows), None)
        if target is None or target is leader:
            raise BinError(f"section {leader.name} follows an invalid or unknown section ({leader.follows})")
        at = order.index(leader)
        if at and order[at - 1] is target:
            continue
        after = order.index(target) + 1
        if after < len(order) and order[after].follows == target.name:
            raise BinError(
                f"sections {leader.name} and {order[after].name} can't both follow section {target.name}"
            )
        last = at + 1
        while (
            last < len(order)
            and order[last] is not target
            and order[last].start is None
            and order[last].follows is None
        ):
            last += 1
        group = order[at:last]
        del order[at:last]
        after = order.index(target) + 1
        order[after:after] = group
    if _has_cycle(sections):
        raise BinError("circular follows path detected")
    return order


def _has_cycle(sections: list[Placed]) -> bool:
    names = {p.name: p.follows for p in sections}
    for name in names:
        seen: set[str] = set()
        step: str | None = name
        while step is not None and step not in seen:
            seen.add(step)
            step = names.get(step)
        if step is not None:
            return True
    return False


def _by_start(sections: list[Placed]) -> list[Placed]:
    """Order the groups led by a section with ``start=``."""
    groups: list[list[Placed]] = []
    for p in sections:
        if p.start is not None or not groups:
            groups.append([p])
        else:
            groups[-1].append(p)
    order: list[Placed] = []
    for group in groups:
        start = group[0].start or 0
        at = next((i for i, p in enumerate(order) if p.start is not None and start < p.start), len(order))
        order[at:at] = group
    return order


def _place_in_file(sections: list[Placed], origin: int | None) -> int:
    first = sections[0]
    if origin is not None:
        if first.start is not None:
            if first.start < origin:
                raise BinError(f"section {first.name} begins before program origin")
        else:
            first.start = _aligned(origin, first.align) if first.align else origin
    else:
        first.start = first.start or 0
        origin = first.start
    end = first.start
    for index, p in enumerate(sections):
        if p.start is None:
            p.align = p.align or DEFAULT_ALIGNMENT
            p.start = _aligned(end, p.align)
        if p.vstart is None and p.vfollows is None:
            p.vstart = _aligned(end, p.valign) if p.valign else p.start
        if p.start < end and not p.length:
            continue
        _check_overlap(p, sections[index + 1 :], origin)
        end = p.start + p.length
    return origin


def _check_overlap(p: Placed, later: list[Placed], origin: int) -> None:
    following = next((s for s in later if s.length and s.start is not None), None)
    if following is None or following.start is None:
        return
    if following.start < origin:
        raise BinError(f"section {following.name} beings before program origin")
    if p.end > following.start:
        raise BinError(f"sections {p.name} and {following.name} overlap!")


def _place_virtually(sections: list[Placed], last_full: Placed) -> None:
    by_name = {p.name: p for p in sections}
    progress = True
    while progress:
        progress = False
        for p in sections:
            if p.vstart is not None:
                continue
            before = p.previous or last_full
            if p.vfollows is not None:
                found = by_name.get(p.vfollows)
                if found is None:
                    raise BinError(f"section {p.name} vfollows unknown section ({p.vfollows})")
                before = found
            if before.vstart is None:
                continue
            p.vstart = _aligned(before.vstart + before.length, p.valign or DEFAULT_ALIGNMENT)
            if p.section.type == SHT_NOBITS:
                p.start = p.vstart
            progress = True
    lost = next((p for p in sections if p.vstart is None), None)
    if lost is not None:
        raise BinError(f"cannot compute vstart for section {lost.name}")


def write(outcome: Outcome, reporter: Reporter) -> bytes:
    """The file's bytes; what is wrong is reported."""
    module = outcome.module
    start = Span(module.source_name, 1)
    try:
        placed, begin = place_sections(module.sections, outcome.origin)
    except BinError as error:
        reporter.report_at("error", str(error), start)
        return b""
    full = [p for p in placed if p.section.type != SHT_NOBITS]
    addresses = {p.section: p for p in placed}
    for p in full:
        for fixup in p.section.fixups:
            message = _fill(fixup, p, addresses)
            if message:
                _report(outcome, reporter, p.section, fixup, message)
    end = max((p.end for p in full if p.length), default=begin)
    if end - begin > MAX_FILE:
        reporter.report_at(
            "error", f"the file would have {end - begin:,} bytes; at most {MAX_FILE:,} here", start
        )
        return b""
    image = bytearray(end - begin)
    for p in full:
        if p.length:
            image[(p.start or 0) - begin : p.end - begin] = p.section.contents
    return bytes(image)


def _report(outcome: Outcome, reporter: Reporter, section: Section, fixup: Fixup, message: str) -> None:
    row = outcome.lines.find(fixup.offset, section.name)
    span = Span(row.file, row.line) if row else Span(outcome.module.source_name, 1)
    reporter.report_at("error", message, span, outcome.layout.tree.source_line(span.file, span.line))


def _fill(fixup: Fixup, target: Placed, addresses: dict[Section, Placed]) -> str:
    """Put the final number into the field. Returns nasm's complaint, or ""."""
    if fixup.value.wrt is not None:
        return "WRT not supported by binary output format"
    value = fixup.value.constant
    for base, _ in fixup.value.terms:
        if isinstance(base, Section) and base in addresses:
            value += addresses[base].vstart or 0
        elif isinstance(base, Symbol) and base.section is not None and base.section in addresses:
            value += addresses[base.section].start or 0
        else:
            return "binary output format does not support external references"
    if fixup.relative:
        value -= (target.vstart or 0) + fixup.offset + fixup.end
    size = fixup.size
    field = (value & (1 << size * 8) - 1).to_bytes(size, "little")
    target.section.contents[fixup.offset : fixup.offset + size] = field
    return ""
