"""Edit .eh_frame as BFD does (elf-eh-frame.c): one copy of equal CIEs, no FDEs of dropped functions, padding shrunk.

Format: LSB 5.0 core, 10.6 ("Exception Frames"), DWARF 5 section 6.4. A section that is not understood stays as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from toolkit.abi import elf
from toolkit.asm.link.assign import created_section
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import Entry, InputFile, InputSection, OutputSection, Relocation

_MAX_INITIAL = 50  # CIEs with more bytes of initial instructions are not merged


class _StrangeError(Exception):
    """Not the form compilers write: leave the section alone."""


@dataclass(eq=False, slots=True)
class Frame:
    """A CIE or FDE. ``size`` in bytes with the length field, without trailing padding."""

    offset: int
    size: int
    section: InputSection
    cie: Frame | None = None  # of an FDE
    is_cie: bool = False
    encoding: int = 0  # of the pointers in its FDEs
    identity: tuple[object, ...] | None = None
    kept: bool = False
    merged: Frame | None = None
    place: int = 0  # new offset in the section
    full: int = 0  # new size, padding included
    original: int = 0  # size with the original padding


@dataclass(eq=False, slots=True)
class Edited:
    """Where the entries of one input section went."""

    section: InputSection
    frames: list[Frame] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def place(self, offset: int) -> int:
        """Offset in the output section of what was at ``offset``."""
        at = bisect_right(self.starts, offset) - 1
        if at < 0:
            return self.section.offset + offset
        frame = self.frames[at]
        return self.section.offset + frame.place + offset - frame.offset


def edit_frames(context: Context) -> None:
    """Edit all inputs of the output .eh_frame."""
    output = context.by_name.get(".eh_frame")
    if output is None:
        return
    parsed: list[Edited] = []
    context.had_frames = any(section.size for section in output.inputs)
    for section in output.inputs:
        if not section.size:
            continue
        try:
            edited = _parse(context, section)
        except (_StrangeError, IndexError):
            continue
        parsed.append(edited)
    known: dict[tuple[object, ...], Frame] = {}
    for edited in parsed:
        _choose(context, edited, known, last=edited.section is output.inputs[-1])
    for edited in parsed:
        _shrink(edited, context.word)
    _pad_between(output)
    for edited in parsed:
        _rewrite(edited, keeps_rows=context.options.relocatable)


def _number(data: memoryview, at: int, width: int = 4) -> int:
    if at + width > len(data):
        raise _StrangeError
    return int.from_bytes(data[at : at + width], "little")


def _parse(context: Context, section: InputSection) -> Edited:
    data = memoryview(bytes(section.data))
    edited = Edited(section)
    by_offset: dict[int, Frame] = {}
    relocations = {r.offset: r for r in section.relocations}
    at = 0
    while at < len(data):
        length = _number(data, at)
        if length == 0:
            frame = Frame(at, 4, section, original=4)
            if at + 4 != len(data):
                raise _StrangeError
        else:
            if length == 0xFFFFFFFF or at + 4 + length > len(data):
                raise _StrangeError
            frame = Frame(at, length + 4, section, original=length + 4)
            identifier = _number(data, at + 4)
            if identifier == 0:
                _parse_cie(context, frame, data, relocations)
                by_offset[at] = frame
            else:
                cie = by_offset.get(at + 4 - identifier)
                if cie is None or (at + 8 not in relocations and not section.created):
                    raise _StrangeError
                frame.cie = cie
                _parse_fde(context, frame, data)
        edited.frames.append(frame)
        edited.starts.append(at)
        at += frame.original
    return edited


def _leb(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def _width(encoding: int, word: int) -> int:
    if encoding == 0xFF:
        return 0
    return {0: word, 2: 2, 3: 4, 4: 8, 0xA: 2, 0xB: 4, 0xC: 8}.get(encoding & 15, 0)


def _parse_cie(context: Context, frame: Frame, data: memoryview, relocations: dict[int, Relocation]) -> None:
    start, end = frame.offset, frame.offset + frame.size
    frame.is_cie = True
    version = data[start + 8]
    at = start + 9
    text_end = bytes(data[at:end]).find(b"\0")
    if version not in (1, 3) or text_end < 0:
        raise _StrangeError
    augmentation = bytes(data[at : at + text_end])
    at += text_end + 1
    code, at = _leb(data, at)
    factor, at = _leb(data, at)
    register, at = (data[at], at + 1) if version == 1 else _leb(data, at)
    personality: object = None
    lsda = 0xFF
    if augmentation[:1] == b"z":
        _, at = _leb(data, at)
        for letter in augmentation[1:].decode("latin-1"):
            if letter == "R":
                frame.encoding, at = data[at], at + 1
            elif letter == "L":
                lsda, at = data[at], at + 1
            elif letter == "P":
                encoding = data[at]
                width = _width(encoding, context.word)
                if not width or encoding & 0x70 == 0x50:
                    raise _StrangeError
                relocation = relocations.get(at + 1)
                personality = (encoding, _target(frame.section.file, relocation))
                at += 1 + width
            elif letter not in "SB":
                raise _StrangeError
    elif augmentation:
        raise _StrangeError
    stop = _skip_instructions(data, at, end, frame.encoding, context.word)
    frame.size -= end - stop
    initial = bytes(data[at:stop])
    if len(initial) <= _MAX_INITIAL and not context.options.relocatable:
        frame.identity = (
            frame.size,
            version,
            augmentation,
            code,
            factor,
            register,
            personality,
            lsda,
            frame.encoding,
            initial,
        )


def _target(file: InputFile, relocation: Relocation | None) -> object:
    """What a personality pointer refers to, comparable between files."""
    if relocation is None:
        return None
    if relocation.symbol >= file.first_global:
        return (file.entries[relocation.symbol - file.first_global], relocation.addend)
    symbol = file.symbols[relocation.symbol]
    return (file, symbol.section, symbol.value, relocation.addend)


def _parse_fde(context: Context, frame: Frame, data: memoryview) -> None:
    assert frame.cie is not None
    width = _width(frame.cie.encoding, context.word)
    end = frame.offset + frame.size
    at = frame.offset + 8 + 2 * width
    identity = frame.cie.identity
    if identity is None or identity[2] != b"":
        length, at = _leb(data, at)
        at += length
    if not width or at > end:
        raise _StrangeError
    stop = _skip_instructions(data, at, end, frame.cie.encoding, context.word)
    frame.size -= end - stop


# DW_CFA opcodes without the top two bits' ones → operands: u = LEB128, digits = bytes, b = block, a = address
_OPERANDS = {
    1: "a", 2: "1", 3: "2", 4: "4", 5: "uu", 6: "u", 7: "u", 8: "u", 9: "uu", 10: "", 11: "", 12: "uu", 13: "u",
    14: "u", 15: "b", 16: "ub", 17: "uu", 18: "uu", 19: "u", 20: "uu", 21: "uu", 22: "ub", 0x1D: "8", 0x2D: "",
    0x2E: "u", 0x2F: "uu",
}  # fmt: skip


def _skip_instructions(data: memoryview, at: int, end: int, encoding: int, word: int) -> int:
    """Where the last call frame instruction that is not a nop ends."""
    last = at
    while at < end:
        opcode = data[at]
        at += 1
        if opcode == 0:
            continue
        if opcode & 0xC0:
            if opcode & 0xC0 == 0x80:
                _, at = _leb(data, at)
        else:
            operands = _OPERANDS.get(opcode)
            if operands is None:
                raise _StrangeError
            for operand in operands:
                if operand == "u":
                    _, at = _leb(data, at)
                elif operand == "b":
                    length, at = _leb(data, at)
                    at += length
                else:
                    at += _width(encoding, word) if operand == "a" else int(operand)
        if at > end:
            raise _StrangeError
        last = at
    return last


def _choose(context: Context, edited: Edited, known: dict[tuple[object, ...], Frame], last: bool) -> None:
    """Mark what stays: FDEs of functions that are in the output, and the first of equal CIEs they use."""
    file = edited.section.file
    relocations = {r.offset: r for r in edited.section.relocations}
    for frame in edited.frames:
        if frame.size == 4 and frame.cie is None and not frame.is_cie:
            frame.kept = last
        elif frame.cie is not None and not (
            frame.offset + 8 in relocations and _is_dropped(context, file, relocations[frame.offset + 8])
        ):
            frame.kept = True
            frame.cie = _merged(frame.cie, known)


def _merged(cie: Frame, known: dict[tuple[object, ...], Frame]) -> Frame:
    if cie.kept:
        return cie
    if cie.merged is not None:
        return cie.merged
    if cie.identity is not None:
        first = known.setdefault(cie.identity, cie)
        if first is not cie:
            cie.merged = first
            return first
    cie.kept = True
    return cie


def _is_dropped(context: Context, file: InputFile, relocation: Relocation) -> bool:
    """Whether a relocation's symbol is in a section that is not in the output."""
    number = relocation.symbol
    if number >= file.first_global:
        entry = file.entries[number - file.first_global]
        assert isinstance(entry, Entry)
        symbol = file.symbols[number]
        own = file.sections[symbol.section] if 0 < symbol.section < len(file.sections) else None
        if own is not None:
            return own.output is None
        section = entry.section
        return isinstance(section, InputSection) and section.output is None
    symbol = file.symbols[number]
    target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
    return target is not None and target.output is None


def _shrink(edited: Edited, word: int) -> None:
    """New offsets: each entry aligned to 4, or to 8 where its addresses are 8 bytes wide."""
    offset = 0
    previous: Frame | None = None
    for frame in edited.frames:
        if not frame.kept:
            frame.full = 0
            frame.place = offset
            continue
        if frame.size > 4:
            encoding = frame.cie.encoding if frame.cie is not None else frame.encoding
            alignment = 8 if frame.cie is not None and _width(encoding, word) == 8 else 4
            start = (offset + alignment - 1) & -alignment
            if previous is not None:
                previous.full += start - offset
            offset = start
        frame.place = offset
        frame.full = frame.size if frame.size == 4 else (frame.size + 3) & -4
        offset += frame.full
        previous = frame
    edited.section.size = offset
    edited.section.moved = edited


def _pad_between(output: OutputSection) -> None:
    """All but the last section end on the output's alignment, the padding inside their last entry."""
    inputs = list(output.inputs)
    while inputs and inputs[-1].size <= 4:
        section = inputs.pop()
        if not section.size and not section.created:
            output.inputs.remove(section)
            section.output = None
    for section in inputs[:-1]:
        if not section.size:
            continue
        moved = section.moved
        size = (section.size + output.alignment - 1) & -output.alignment
        if isinstance(moved, Edited) and size != section.size:
            last = next(frame for frame in reversed(moved.frames) if frame.kept)
            last.full += size - section.size
            section.size = size


def _rewrite(edited: Edited, *, keeps_rows: bool) -> None:
    """The section's new bytes; relocations move with their entries. ``keeps_rows``: those of dropped ones stay, at offset -1."""
    section = edited.section
    old = bytes(section.data)
    body = bytearray(section.size)
    for frame in edited.frames:
        if frame.kept and frame.full > 4:
            at = frame.place
            body[at : at + frame.size] = old[frame.offset : frame.offset + frame.size]
            body[at : at + 4] = (frame.full - 4).to_bytes(4, "little")
    section.data = body
    relocations = []
    for relocation in section.relocations:
        index = bisect_right(edited.starts, relocation.offset) - 1
        frame = edited.frames[index]
        if frame.kept:
            relocations.append(relocation._replace(offset=frame.place + relocation.offset - frame.offset))
        elif keeps_rows:
            relocations.append(relocation._replace(offset=-1))
    section.relocations = relocations


def make_header(context: Context) -> InputSection | None:
    """An .eh_frame_hdr (--eh-frame-hdr), where some .eh_frame has room for an entry: more than 8 bytes."""
    if any(s.size > 8 for f in context.files for s in f.content() if s.kept and s.name == ".eh_frame"):
        return created_section(context, ".eh_frame_hdr", elf.SHT_PROGBITS, elf.SHF_ALLOC, 4)
    return None


def size_header(context: Context, header: InputSection) -> None:
    """Room for the search table: one row for each FDE that stays."""
    frames = _table_frames(context)
    header.size = (
        8 if frames is None else 12 + 8 * len(frames)
    )  # ld makes room for the count, and then has no table
    header.data = bytes(header.size)


def _table_frames(context: Context) -> list[Frame] | None:
    """The FDEs of the output; None when some section was not understood."""
    output = context.by_name.get(".eh_frame")
    found: list[Frame] = []
    for section in output.inputs if output is not None else ():
        if not section.size:
            continue
        if not isinstance(section.moved, Edited):
            return None
        found += [frame for frame in section.moved.frames if frame.kept and frame.cie is not None]
    return found


def fill_header(context: Context, image: bytearray, header: InputSection) -> None:
    """Version, encodings, the address of .eh_frame, and the table sorted by function (LSB 5.0 core, 10.6.2)."""
    output, frames_output = header.output, context.by_name.get(".eh_frame")
    if output is None or frames_output is None or not header.size:
        return
    base = header.address
    at = output.file_offset + header.offset
    frames = _table_frames(context) if header.size > 8 else None
    encodings = b"\x03\x3b" if frames else b"\xff\xff"
    image[at : at + 8] = b"\x01\x1b" + encodings + _word(frames_output.address - base - 4)
    rows = []
    for frame in frames or ():
        place = frame.section.offset + frame.place
        start = frames_output.file_offset + place + 8
        value = int.from_bytes(image[start : start + 4], "little", signed=True)
        encoding = frame.cie.encoding if frame.cie is not None else 0
        if encoding & 0x70 == 0x10:
            value += frames_output.address + place + 8
        elif _width(encoding, context.word) == 8:
            value = int.from_bytes(image[start : start + 8], "little")
        rows.append((value - base, frames_output.address + place - base))
    if frames:
        body = b"".join(_word(function) + _word(frame) for function, frame in sorted(rows))
        image[at + 8 : at + 12 + len(body)] = _word(len(rows)) + body


def _word(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "little")


def link_frames(context: Context) -> None:
    """Fill the CIE pointers, once the sections have their places in the output."""
    output = context.by_name.get(".eh_frame")
    for section in output.inputs if output is not None else ():
        edited = section.moved
        if not isinstance(edited, Edited) or not isinstance(section.data, bytearray):
            continue
        for frame in edited.frames:
            if frame.kept and frame.cie is not None:
                cie = frame.cie.section.offset + frame.cie.place
                pointer = section.offset + frame.place + 4 - cie
                section.data[frame.place + 4 : frame.place + 8] = (pointer & 0xFFFFFFFF).to_bytes(4, "little")
