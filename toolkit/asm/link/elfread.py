"""Read relocatable ELF files and archives, trusting nothing in them: every offset is checked before use."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from toolkit.abi import elf
from toolkit.asm.link.identifiers import count_sections
from toolkit.asm.link.model import InputFile, InputSection, InputSymbol, Relocation, SectionGroup

MAX_SECTIONS = 1 << 20
MAX_ALIGNMENT = 1 << 31
ARCHIVE_MAGIC = b"!<arch>\n"
THIN_ARCHIVE_MAGIC = b"!<thin>\n"
_NOT_CONTENT = frozenset(
    (
        elf.SHT_NULL,
        elf.SHT_SYMTAB,
        elf.SHT_STRTAB,
        elf.SHT_RELA,
        elf.SHT_REL,
        elf.SHT_GROUP,
        elf.SHT_SYMTAB_SHNDX,
    )
)


class MalformedError(Exception):
    """The file is not what it says it is; the text says how."""


def is_elf(data: bytes) -> bool:
    return data[:4] == elf.ELF_MAGIC


def is_shared_library(data: bytes) -> bool:
    return is_elf(data) and len(data) > 18 and data[16] == elf.ET_DYN and data[17] == 0


def read_header(data: bytes) -> tuple[bool, tuple[int, ...]]:
    """Whether the class is 64 bits, and the header's fields after e_ident. Raises MalformedError."""
    if len(data) < 20 or not is_elf(data):
        raise MalformedError("file format not recognized")
    if data[5] != elf.ELFDATA2LSB or data[4] not in (1, 2):
        raise MalformedError("file format not recognized: not a little-endian ELF file")
    is64 = data[4] == elf.ELFCLASS64
    layout = elf.EHDR64 if is64 else elf.EHDR32
    if len(data) < layout.size:
        raise MalformedError("file truncated in its ELF header")
    return is64, layout.unpack_from(data)[1:]


def read_sections(data: bytes, is64: bool, header: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The rows of the section header table."""
    table, entry, count = header[5], header[10], header[11]
    row = elf.SHDR64 if is64 else elf.SHDR32
    if not table:
        return []
    if entry != row.size:
        raise MalformedError(f"section headers of {entry} bytes instead of {row.size}")
    if count == 0 and table + row.size <= len(data):
        count = row.unpack_from(data, table)[5]
    if count > MAX_SECTIONS or table + count * row.size > len(data):
        raise MalformedError("file truncated: its section header table lies beyond the end")
    return list(row.iter_unpack(memoryview(data)[table : table + count * row.size]))


def _slice(data: bytes, row: tuple[int, ...], what: str) -> memoryview:
    offset, size = row[4], row[5]
    if offset + size > len(data):
        raise MalformedError(f"file truncated: {what} lies beyond the end")
    return memoryview(data)[offset : offset + size]


def _string(table: bytes, offset: int) -> str:
    if offset >= len(table):
        if offset == 0:
            return ""
        raise MalformedError("a name lies outside the string table")
    end = table.find(b"\0", offset)
    raw = table[offset : end if end >= 0 else len(table)]
    return raw.decode("ascii") if raw.isascii() else raw.decode("utf-8", "surrogateescape")


def read_object(name: str, data: bytes) -> InputFile:
    """The sections, symbols and relocations of a relocatable file. Raises MalformedError."""
    is64, header = read_header(data)
    if header[0] != elf.ET_REL:
        raise MalformedError(f"not a relocatable object (ELF type {header[0]})")
    file = InputFile(name, header[1], is64, osabi=data[7])
    expected = elf.ELFCLASS64 if header[1] == elf.EM_X86_64 else elf.ELFCLASS32
    if header[1] not in (elf.EM_X86_64, elf.EM_386) or data[4] != expected:
        raise MalformedError(f"file in wrong format: machine {header[1]} is not x86-64 or i386")
    rows = read_sections(data, is64, header)
    if not rows:
        return file
    names_at = header[12] if header[12] != elf.SHN_XINDEX else rows[0][6]
    if names_at >= len(rows):
        raise MalformedError("the section name table does not exist")
    file.made = count_sections(rows, names_at)
    names = bytes(_slice(data, rows[names_at], "the section name table"))
    _read_contents(file, data, rows, names)
    _read_symbols(file, data, rows)
    for number, row in enumerate(rows):
        if row[1] in (elf.SHT_RELA, elf.SHT_REL):
            _read_relocations(file, data, row, number)
        elif row[1] == elf.SHT_GROUP:
            _read_group(file, data, row, number, _string(names, row[0]))
    return file


def _read_contents(file: InputFile, data: bytes, rows: list[tuple[int, ...]], names: bytes) -> None:
    for number, row in enumerate(rows):
        name_at, kind, flags, _, _, size, link, info, alignment, entry_size = row
        if kind in _NOT_CONTENT:
            file.sections.append(None)
            continue
        name = _string(names, name_at)
        if alignment & (alignment - 1) or alignment > MAX_ALIGNMENT:
            raise MalformedError(f"section {name}: alignment {alignment} is not a power of two up to 2^31")
        if size >= 1 << 46:
            raise MalformedError(f"section {name}: size {size:#x} is too large")
        body: bytes | memoryview = b"" if kind == elf.SHT_NOBITS else _slice(data, row, f"section {name}")
        file.sections.append(
            InputSection(file, number, name, kind, flags, alignment or 1, entry_size, size, body, link, info)
        )


def _read_symbols(file: InputFile, data: bytes, rows: list[tuple[int, ...]]) -> None:
    table = next((row for row in rows if row[1] == elf.SHT_SYMTAB), None)
    if table is None:
        return
    layout = elf.SYM64 if file.is64 else elf.SYM32
    raw = _slice(data, table, "the symbol table")
    if len(raw) % layout.size:
        raise MalformedError("the symbol table's size is not a multiple of its entries'")
    if table[6] >= len(rows):
        raise MalformedError("the symbol table has no string table")
    strings = bytes(_slice(data, rows[table[6]], "the string table"))
    file.first_global = min(table[7], len(raw) // layout.size)
    extended = next((row for row in rows if row[1] == elf.SHT_SYMTAB_SHNDX), None)
    indexes = _slice(data, extended, "the section index table") if extended else b""
    append = file.symbols.append
    count = len(file.sections)
    for number, fields in enumerate(layout.iter_unpack(raw)):
        if file.is64:
            name, info, other, section, value, size = fields
        else:
            name, value, size, info, other, section = fields
        if section == elf.SHN_XINDEX:
            section = int.from_bytes(indexes[number * 4 : number * 4 + 4], "little")
        elif section >= count and section < elf.SHN_LORESERVE:
            raise MalformedError(f"symbol {number} is in section {section}, which does not exist")
        append(InputSymbol(_string(strings, name), value, size, info & 15, info >> 4, other, section))


def _read_relocations(file: InputFile, data: bytes, row: tuple[int, ...], number: int) -> None:
    target = file.sections[row[7]] if row[7] < len(file.sections) else None
    if target is None or row[1] not in (elf.SHT_RELA, elf.SHT_REL):
        return
    if target.type == elf.SHT_NOBITS:
        if row[5]:
            raise MalformedError(f"section {target.name} has no contents but relocations")
        return
    raw = _slice(data, row, f"the relocations of {target.name}")
    target.relocations_at = number
    has_addend = row[1] == elf.SHT_RELA
    if file.is64:
        layout, shift, mask = (elf.RELA64 if has_addend else elf.REL64), 32, 0xFFFFFFFF
    else:
        layout, shift, mask = (elf.RELA32 if has_addend else elf.REL32), 8, 0xFF
    if len(raw) % layout.size:
        raise MalformedError(f"the relocations of {target.name} are cut off")
    symbols = len(file.symbols)
    append = target.relocations.append
    for fields in layout.iter_unpack(raw):
        offset, info = fields[0], fields[1]
        if info >> shift >= symbols and info >> shift:
            raise MalformedError(
                f"a relocation of {target.name} names symbol {info >> shift}, which does not exist"
            )
        if offset >= target.size:
            raise MalformedError(f"a relocation of {target.name} lies outside the section, at {offset:#x}")
        append(Relocation(offset, info & mask, info >> shift, fields[2] if has_addend else None))


def _read_group(file: InputFile, data: bytes, row: tuple[int, ...], number: int, label: str) -> None:
    raw = _slice(data, row, "a section group")
    words = [int.from_bytes(raw[i : i + 4], "little") for i in range(0, len(raw) & ~3, 4)]
    if not words:
        return
    if row[7] >= len(file.symbols):
        raise MalformedError("a section group's signature symbol does not exist")
    members = [word for word in words[1:] if word < len(file.sections)]
    file.group_sections.append(SectionGroup(number, label, words[0], row[7], members))
    if not words[0] & elf.GRP_COMDAT:
        return
    signature = file.symbols[row[7]]
    name = signature.name
    if not name and signature.type == elf.STT_SECTION and signature.section < len(file.sections):
        section = file.sections[signature.section]
        name = section.name if section else ""
    file.groups.append((name, members))


def read_archive(
    data: bytes, read: Callable[[str], bytes | None] | None = None
) -> tuple[list[tuple[str, int]], dict[int, tuple[str, bytes]]]:
    """The symbol map in its order (name, member's position) and the members by position. Raises MalformedError.

    ar(5) in its System V form with ``/`` symbol table and ``//`` long names, as GNU ar writes it. The members of a thin
    archive are files of their own, opened with ``read``.
    """
    thin = data[:8] == THIN_ARCHIVE_MAGIC
    if thin and read is None:
        raise MalformedError("a thin archive names files elsewhere, which are not read here")
    members: dict[int, tuple[str, bytes]] = {}
    symbols: list[tuple[str, int]] = []
    long_names = b""
    for position, name, body in _archive_entries(data, thin):
        if name in ("/", "/SYM64/"):
            symbols = list(_archive_map(body, 4 if name == "/" else 8))
        elif name == "//":
            long_names = body
        elif name.startswith("/") and name[1:].isdigit():
            end = long_names.find(b"\n", int(name[1:]))
            raw = long_names[int(name[1:]) : end if end >= 0 else len(long_names)]
            members[position] = (raw.rstrip(b"/").decode("utf-8", "surrogateescape"), body)
        else:
            members[position] = (name.rstrip("/"), body)
    if thin and read is not None:
        members = {position: _outside(name, read) for position, (name, _) in members.items()}
    return symbols, members


def _outside(name: str, read: Callable[[str], bytes | None]) -> tuple[str, bytes]:
    body = read(name)
    if body is None:
        raise MalformedError(f"the thin archive names {name}, which does not exist")
    return name, body


def _archive_entries(data: bytes, thin: bool) -> Iterator[tuple[int, str, bytes]]:
    position = 8
    while position + 60 <= len(data):
        header = data[position : position + 60]
        size_text = header[48:58].strip()
        if header[58:60] != b"`\n" or not size_text.isdigit():
            raise MalformedError(f"malformed archive: no member header at {position}")
        name = header[:16].decode("utf-8", "surrogateescape").rstrip()
        size = 0 if thin and name not in ("/", "//", "/SYM64/") else int(size_text)
        if position + 60 + size > len(data):
            raise MalformedError("archive truncated within a member")
        yield position, name, data[position + 60 : position + 60 + size]
        position += 60 + size + (size & 1)


def _archive_map(body: bytes, width: int) -> Iterator[tuple[str, int]]:
    count = int.from_bytes(body[:width], "big")
    if (count + 1) * width > len(body):
        raise MalformedError("the archive's symbol table is cut off")
    names = body[(count + 1) * width :].split(b"\0")
    for index in range(count):
        at = (index + 1) * width
        if index >= len(names):
            raise MalformedError("the archive's symbol table is cut off")
        yield names[index].decode("utf-8", "surrogateescape"), int.from_bytes(body[at : at + width], "big")
