"""Line information for debuggers: ``-g -F dwarf`` (DWARF 3, sections 3.1, 6.1 and 6.2 of its standard).

One compilation unit describes the file: its code ranges, and a line program with one sequence for each section of code.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.abi.elf import SHF_EXECINSTR, SHT_PROGBITS
from toolkit.asm.objfile import Section
from toolkit.asm.statement import Fixup, Value

if TYPE_CHECKING:
    from toolkit.asm.layout_run import Outcome

VERSION = 3
DW_TAG_COMPILE_UNIT = 0x11
DW_AT_NAME, DW_AT_STMT_LIST, DW_AT_LOW_PC, DW_AT_LANGUAGE, DW_AT_PRODUCER, DW_AT_RANGES = (
    3,
    0x10,
    0x11,
    0x13,
    0x25,
    0x55,
)
DW_FORM_ADDR, DW_FORM_DATA2, DW_FORM_DATA4, DW_FORM_STRING = 1, 5, 6, 8
DW_LANG_MIPS_ASSEMBLER = 0x8001
DW_LNS_COPY, DW_LNS_ADVANCE_PC, DW_LNS_ADVANCE_LINE, DW_LNS_SET_FILE = 1, 2, 3, 4
DW_LNE_END_SEQUENCE, DW_LNE_SET_ADDRESS = 1, 2
OPERAND_COUNTS = bytes((0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1))  # of the standard opcodes 1 to 12
PRODUCER = b"toolkit\0"

Row = tuple[int, str, int]  # (offset in the section, file, line)


def add_line_information(outcome: Outcome) -> None:
    """Add .debug_info, .debug_abbrev, .debug_line, .debug_ranges and .debug_aranges to the module."""
    module = outcome.module
    width = 4 if module.format == "elf32" else 8
    code = [s for s in module.sections if s.type == SHT_PROGBITS and s.flags & SHF_EXECINSTR and s.contents]
    rows: dict[Section, list[Row]] = {section: [] for section in code}
    for record in outcome.records:
        if record.section in rows and record.length:
            rows[record.section].append((record.offset, record.line.file, record.line.line))
    if not code:
        return
    abbreviations = Section(".debug_abbrev", flags=0)
    abbreviations.contents += _abbreviations()
    lines = _line_program(rows, width)
    ranges = _ranges(code, width)
    info = _unit(module.source_name, abbreviations, lines, ranges, width)
    aranges = _address_ranges(code, info, width)
    module.sections += [aranges, info, abbreviations, lines, ranges]


def unsigned(value: int) -> bytes:
    """ULEB128."""
    result = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        result.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(result)


def signed(value: int) -> bytes:
    """SLEB128."""
    result = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        done = (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40)
        result.append(byte if done else byte | 0x80)
        if done:
            return bytes(result)


def _address(section: Section, target: Section, addend: int, size: int) -> None:
    """Append an address to ``section``, to be filled in by the linker."""
    section.fixups.append(Fixup(len(section.contents), size, Value(addend, ((target, 1),))))
    section.contents += bytes(size)


def _close(section: Section, start: int = 0) -> None:
    """Fill in the length of the unit that began at ``start``."""
    section.contents[start : start + 4] = struct.pack("<I", len(section.contents) - start - 4)


def _abbreviations() -> bytes:
    pairs = (
        (DW_AT_RANGES, DW_FORM_DATA4), (DW_AT_LOW_PC, DW_FORM_ADDR), (DW_AT_STMT_LIST, DW_FORM_DATA4),
        (DW_AT_NAME, DW_FORM_STRING), (DW_AT_PRODUCER, DW_FORM_STRING), (DW_AT_LANGUAGE, DW_FORM_DATA2), (0, 0),
    )  # fmt: skip
    return (
        bytes((1, DW_TAG_COMPILE_UNIT, 0))
        + b"".join(unsigned(a) + unsigned(form) for a, form in pairs)
        + b"\0"
    )


def _unit(name: str, abbreviations: Section, lines: Section, ranges: Section, width: int) -> Section:
    info = Section(".debug_info", flags=0)
    info.contents += struct.pack("<IH", 0, VERSION)
    _address(info, abbreviations, 0, 4)
    info.contents += bytes((width, 1))
    _address(info, ranges, 0, 4)
    info.contents += bytes(width)  # low_pc 0: the base that the ranges count from
    _address(info, lines, 0, 4)
    info.contents += name.encode("utf-8", "surrogateescape") + b"\0" + PRODUCER
    info.contents += struct.pack("<H", DW_LANG_MIPS_ASSEMBLER)
    _close(info)
    return info


def _ranges(code: Sequence[Section], width: int) -> Section:
    ranges = Section(".debug_ranges", flags=0)
    for section in code:
        _address(ranges, section, 0, width)
        _address(ranges, section, section.length, width)
    ranges.contents += bytes(2 * width)
    return ranges


def _address_ranges(code: Sequence[Section], info: Section, width: int) -> Section:
    aranges = Section(".debug_aranges", flags=0)
    aranges.contents += struct.pack("<IH", 0, 2)
    _address(aranges, info, 0, 4)
    aranges.contents += bytes((width, 0))
    aranges.contents += bytes(-len(aranges.contents) % (2 * width))
    for section in code:
        _address(aranges, section, 0, width)
        aranges.contents += section.length.to_bytes(width, "little")
    aranges.contents += bytes(2 * width)
    _close(aranges)
    return aranges


def _line_program(rows: dict[Section, list[Row]], width: int) -> Section:
    lines = Section(".debug_line", flags=0)
    files = list(dict.fromkeys(file for found in rows.values() for _, file, _ in found))
    header = bytes((1, 1, 0xFB, 14, len(OPERAND_COUNTS) + 1)) + OPERAND_COUNTS + b"\0"
    for file in files:
        header += file.encode("utf-8", "surrogateescape") + b"\0\0\0\0"
    header += b"\0"
    lines.contents += struct.pack("<IHI", 0, VERSION, len(header)) + header
    for section, found in rows.items():
        _sequence(lines, section, found, files, width)
    _close(lines)
    return lines


def _sequence(lines: Section, section: Section, rows: list[Row], files: list[str], width: int) -> None:
    """The rows of one section, from its start to its end."""
    out = lines.contents
    out += bytes((0, width + 1, DW_LNE_SET_ADDRESS))
    _address(lines, section, 0, width)
    address, line, file = 0, 1, 1
    for offset, name, number in rows:
        index = files.index(name) + 1
        if index != file:
            out += bytes((DW_LNS_SET_FILE,)) + unsigned(index)
        if number != line:
            out += bytes((DW_LNS_ADVANCE_LINE,)) + signed(number - line)
        if offset != address:
            out += bytes((DW_LNS_ADVANCE_PC,)) + unsigned(offset - address)
        out.append(DW_LNS_COPY)
        address, line, file = offset, number, index
    out += bytes((DW_LNS_ADVANCE_PC,)) + unsigned(section.length - address)
    out += bytes((0, 1, DW_LNE_END_SEQUENCE))
