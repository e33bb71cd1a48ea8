"""ELF files as binutils 2.40 prints them: ``size``, ``size -A``, ``objdump -f``, ``objdump -h``.

BFD sees a file as a list of sections of its own: symbol and string tables and relocation tables that belong to another
section are not in it. ``sections`` makes that list from the section headers (bfd/elf.c, ``bfd_section_from_shdr``).
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from toolkit.abi import elf

_READ_LIMIT = 1 << 31


class BinaryFileError(Exception):
    """The file can't be shown; the text is what binutils print after the program's name."""


@dataclass(frozen=True, slots=True)
class BinarySection:
    """One section as BFD has it. Addresses and offsets in bytes; ``alignment`` is a power of two's exponent."""

    name: str
    type: int
    flags: int
    address: int
    load_address: int
    offset: int
    size: int
    alignment: int
    has_relocations: bool = False
    is_comdat: bool = False

    @property
    def has_contents(self) -> bool:
        return self.type != elf.SHT_NOBITS


@dataclass(frozen=True, slots=True)
class BinaryFile:
    """What binutils know of an ELF file."""

    name: str
    is64: bool
    little: bool
    type: int
    machine: int
    entry: int
    sections: tuple[BinarySection, ...]
    has_symbols: bool
    has_segments: bool
    archive: str = ""

    @property
    def target(self) -> str:
        """BFD's name of the file format."""
        width = 64 if self.is64 else 32
        if self.little and self.machine == elf.EM_X86_64:
            return f"elf{width}-x86-64"
        if self.little and self.machine == elf.EM_386 and not self.is64:
            return "elf32-i386"
        return f"elf{width}-{'little' if self.little else 'big'}"

    @property
    def architecture(self) -> str:
        if self.machine == elf.EM_X86_64:
            return "i386:x86-64" if self.is64 else "i386:x64-32"
        return "i386" if self.machine == elf.EM_386 else "UNKNOWN!"


# ---- reading -------------------------------------------------------------------------------------------------


def load(source: str | os.PathLike[str] | bytes, name: str | None = None) -> tuple[str, bytes]:
    """The shown name and the bytes of a file. Raises BinaryFileError as binutils would for what can't be read."""
    if isinstance(source, bytes):
        return name or "a.out", source
    path = os.fspath(source)
    shown = name or path
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise BinaryFileError(f"Warning: '{shown}' is a directory")
        if not stat.S_ISREG(mode):
            raise BinaryFileError(f"Warning: '{shown}' is not an ordinary file")
        with open(path, "rb") as stream:
            return shown, stream.read(_READ_LIMIT)
    except FileNotFoundError:
        raise BinaryFileError(f"'{shown}': No such file") from None
    except OSError as error:
        raise BinaryFileError(f"'{shown}': {error.strerror}") from None


def read(data: bytes, name: str, archive: str = "") -> BinaryFile:
    """Parse an ELF file. Raises BinaryFileError when BFD would not recognise it."""
    not_recognised = BinaryFileError(f"{name}: file format not recognized")
    if (
        len(data) < 52
        or data[:4] != elf.ELF_MAGIC
        or data[4] not in (1, 2)
        or data[5] not in (1, 2)
        or data[6] != 1
    ):
        raise not_recognised
    is64, little = data[4] == elf.ELFCLASS64, data[5] == elf.ELFDATA2LSB
    order = "<" if little else ">"
    header = _reordered(elf.EHDR64 if is64 else elf.EHDR32, order)
    if len(data) < header.size:
        raise not_recognised
    _, kind, machine, version, entry, phoff, shoff, _, _, phentsize, phnum, shentsize, shnum, shstrndx = (
        header.unpack_from(data)
    )
    row = _reordered(elf.SHDR64 if is64 else elf.SHDR32, order)
    if version != 1 or (shoff and (shentsize != row.size or shoff + row.size > len(data))):
        raise not_recognised
    rows: list[tuple[int, ...]] = []
    if shoff:
        first = row.unpack_from(data, shoff)
        shnum = shnum or first[5]
        shstrndx = first[6] if shstrndx == elf.SHN_XINDEX else shstrndx
        if shoff + shnum * row.size > len(data):
            raise not_recognised
        rows = list(row.iter_unpack(memoryview(data)[shoff : shoff + shnum * row.size]))
    segments = _segments(data, is64, order, phoff, phentsize, phnum)
    if segments is None:
        raise not_recognised
    linked = kind in (elf.ET_EXEC, elf.ET_DYN)
    found = tuple(_sections(data, rows, shstrndx, kind, segments))
    return BinaryFile(
        name,
        is64,
        little,
        kind,
        machine,
        entry,
        found,
        any(r[1] in (elf.SHT_SYMTAB, elf.SHT_DYNSYM) for r in rows),
        linked,
        archive,
    )


def _reordered(layout: struct.Struct, order: str) -> struct.Struct:
    return layout if order == "<" else struct.Struct(order + layout.format.lstrip("<"))


def _segments(
    data: bytes, is64: bool, order: str, offset: int, entry: int, count: int
) -> list[tuple[int, ...]] | None:
    """Rows (type, offset, vaddr, paddr, filesz, memsz) of the program headers; None when they are damaged."""
    row = _reordered(elf.PHDR64 if is64 else elf.PHDR32, order)
    if not count or not offset:
        return []
    if entry != row.size or offset + count * row.size > len(data):
        return None
    found: list[tuple[int, ...]] = []
    for fields in row.iter_unpack(memoryview(data)[offset : offset + count * row.size]):
        if is64:
            kind, _, at, vaddr, paddr, filesz, memsz, _ = fields
        else:
            kind, at, vaddr, paddr, filesz, memsz, _, _ = fields
        found.append((kind, at, vaddr, paddr, filesz, memsz))
    return found


def _sections(
    data: bytes, rows: list[tuple[int, ...]], names_at: int, kind: int, segments: list[tuple[int, ...]]
) -> Iterator[BinarySection]:
    symbol_table = next((i for i, r in enumerate(rows) if r[1] == elf.SHT_SYMTAB), 0)
    linked = kind in (elf.ET_EXEC, elf.ET_DYN)
    names = b""
    if names_at < len(rows):
        names = data[rows[names_at][4] : rows[names_at][4] + rows[names_at][5]]
    relocated = {
        r[7] for r in rows if r[1] in (elf.SHT_RELA, elf.SHT_REL) and _belongs(r, rows, symbol_table, linked)
    }
    for index, row in enumerate(rows):
        name_at, kind_of, flags, address, offset, size, _, _, alignment, _ = row
        if index == 0 or not _is_bfd_section(index, row, rows, names_at, symbol_table, linked):
            continue
        end = names.find(b"\0", name_at)
        name = names[name_at : end if end >= 0 else len(names)].decode("utf-8", "surrogateescape")
        comdat = kind_of == elf.SHT_GROUP and data[offset : offset + 1] == b"\1"
        yield BinarySection(
            name,
            kind_of,
            flags,
            address,
            _load_address(row, segments),
            offset,
            size,
            max(alignment.bit_length() - 1, 0),
            index in relocated,
            comdat,
        )


def _belongs(row: tuple[int, ...], rows: list[tuple[int, ...]], symbol_table: int, linked: bool) -> bool:
    """Whether a relocation table is one of another section's, not a section in its own right."""
    link, info = row[6], row[7]
    if linked and row[2] & elf.SHF_ALLOC:
        return False
    if link != symbol_table or not link or not info or info >= len(rows):
        return False
    return rows[info][1] not in (elf.SHT_REL, elf.SHT_RELA)


def _is_bfd_section(
    index: int,
    row: tuple[int, ...],
    rows: list[tuple[int, ...]],
    names_at: int,
    symbol_table: int,
    linked: bool,
) -> bool:
    kind = row[1]
    if kind in (elf.SHT_NULL, elf.SHT_SYMTAB_SHNDX):
        return False
    if kind == elf.SHT_SYMTAB:
        return bool(row[2] & elf.SHF_ALLOC) and linked
    if kind == elf.SHT_STRTAB:
        return index != names_at and not (symbol_table and rows[symbol_table][6] == index)
    if kind in (elf.SHT_RELA, elf.SHT_REL):
        return not _belongs(row, rows, symbol_table, linked)
    return True


def _load_address(row: tuple[int, ...], segments: list[tuple[int, ...]]) -> int:
    """Physical address: the virtual one moved as its segment is."""
    kind, flags, address, offset, size = row[1:6]
    if not flags & elf.SHF_ALLOC or not any(segment[3] for segment in segments):
        return address
    for wanted, at, vaddr, paddr, filesz, memsz in segments:
        in_type = wanted == elf.PT_TLS if flags & elf.SHF_TLS else wanted == elf.PT_LOAD
        if not (in_type or (wanted == elf.PT_LOAD and flags & elf.SHF_TLS)):
            continue
        in_memory = vaddr <= address and address + size <= vaddr + memsz
        in_file = kind == elf.SHT_NOBITS or (at <= offset and offset + size <= at + filesz)
        if in_memory and in_file:
            return paddr + (address - vaddr if kind == elf.SHT_NOBITS else offset - at)
    return address


def files(data: bytes, name: str) -> list[BinaryFile]:
    """The file itself, or an archive's members. Raises BinaryFileError."""
    if data[:8] != b"!<arch>\n":
        return [read(data, name)]
    from toolkit.asm.link.elfread import MalformedError, read_archive

    try:
        _, members = read_archive(data)
    except MalformedError:
        raise BinaryFileError(f"{name}: file format not recognized") from None
    return [read(body, member, name) for member, body in members.values()]


# ---- size ----------------------------------------------------------------------------------------------------


def size(source: str | os.PathLike[str] | bytes, name: str | None = None, sysv: bool = False) -> str:
    """What ``size FILE`` prints, or ``size -A FILE`` with ``sysv``. Raises BinaryFileError."""
    shown, data = load(source, name)
    found = files(data, shown)
    if sysv:
        return "".join(_sysv(file) for file in found)
    header = "   text\t   data\t    bss\t    dec\t    hex\tfilename\n"
    return header + "".join(_berkeley(file) for file in found)


def _berkeley(file: BinaryFile) -> str:
    text = data = bss = 0
    for section in file.sections:
        if not section.flags & elf.SHF_ALLOC:
            continue
        if section.flags & elf.SHF_EXECINSTR or not section.flags & elf.SHF_WRITE:
            text += section.size
        elif section.has_contents:
            data += section.size
        else:
            bss += section.size
    total = text + data + bss
    origin = f" (ex {file.archive})" if file.archive else ""
    return f"{text:7d}\t{data:7d}\t{bss:7d}\t{total:7d}\t{total:7x}\t{file.name}{origin}\n"


def _sysv(file: BinaryFile) -> str:
    sections = file.sections
    names = max((len(s.name.encode("utf-8", "surrogateescape")) for s in sections), default=0)
    total = sum(section.size for section in sections)
    sizes = max(len(str(total)), 4)
    addresses = max(len(str(max((s.address for s in sections), default=0))), 4)
    origin = f" (ex {file.archive})" if file.archive else ""
    lines = [f"{file.name}  {origin}:", f"{'section':<{names}}   {'size':>{sizes}}   {'addr':>{addresses}}"]
    for section in sections:
        lines.append(f"{section.name:<{names}}   {section.size:>{sizes}}   {section.address:>{addresses}}")
    lines.append(f"{'Total':<{names}}   {total:>{sizes}}")
    return "\n".join(lines) + "\n\n\n"


# ---- objdump -------------------------------------------------------------------------------------------------

_HAS_RELOC, _EXEC_P, _HAS_SYMS, _DYNAMIC, _D_PAGED = 1, 2, 0x10, 0x40, 0x100
_FLAG_NAMES = (
    (_HAS_RELOC, "HAS_RELOC"),
    (_EXEC_P, "EXEC_P"),
    (_HAS_SYMS, "HAS_SYMS"),
    (_DYNAMIC, "DYNAMIC"),
    (_D_PAGED, "D_PAGED"),
)


def objdump(
    source: str | os.PathLike[str] | bytes,
    name: str | None = None,
    *,
    file_header: bool = False,
    section_headers: bool = False,
) -> str:
    """What ``objdump -f`` and/or ``-h`` print. Raises BinaryFileError."""
    shown, data = load(source, name)
    found = files(data, shown)
    text = f"In archive {shown}:\n" if data[:8] == b"!<arch>\n" else ""
    for file in found:
        text += f"\n{file.name}:     file format {file.target}\n"
        if file_header:
            text += _file_header(file)
        if section_headers:
            text += _section_headers(file)
        if not section_headers:
            text += "\n"
    return text


def _file_flags(file: BinaryFile) -> int:
    flags = _HAS_SYMS if file.has_symbols else 0
    if any(section.has_relocations for section in file.sections):
        flags |= _HAS_RELOC
    if file.type == elf.ET_EXEC:
        flags |= _EXEC_P
    elif file.type == elf.ET_DYN:
        flags |= _DYNAMIC
    return flags | (_D_PAGED if file.has_segments else 0)


def _file_header(file: BinaryFile) -> str:
    flags = _file_flags(file)
    names = ", ".join(name for bit, name in _FLAG_NAMES if flags & bit)
    width = 16 if file.is64 else 8
    return (
        f"architecture: {file.architecture}, flags 0x{flags:08x}:\n{names}\n"
        f"start address 0x{file.entry:0{width}x}\n"
    )


def _section_headers(file: BinaryFile) -> str:
    width = 16 if file.is64 else 8
    lines = [
        "",
        "Sections:",
        f"Idx Name          Size      {'VMA':<{width}}  {'LMA':<{width}}  File off  Algn",
    ]
    for index, s in enumerate(file.sections):
        lines.append(
            f"{index:3d} {s.name:<13} {s.size:08x}  {s.address:0{width}x}  {s.load_address:0{width}x}  "
            f"{s.offset:08x}  2**{s.alignment}"
        )
        lines.append(" " * 18 + ", ".join(_section_flags(s)))
    return "\n".join(lines) + "\n"


def _section_flags(s: BinarySection) -> Iterator[str]:
    alloc = s.flags & elf.SHF_ALLOC
    loaded = alloc and s.has_contents
    if s.has_contents:
        yield "CONTENTS"
    if alloc:
        yield "ALLOC"
    if loaded:
        yield "LOAD"
    if s.has_relocations:
        yield "RELOC"
    if not s.flags & elf.SHF_WRITE:
        yield "READONLY"
    if s.flags & elf.SHF_EXECINSTR:
        yield "CODE"
    elif loaded:
        yield "DATA"
    debugging, octets = _by_name(s.name) if not alloc else (False, False)
    if debugging:
        yield "DEBUGGING"
    if s.flags & elf.SHF_EXCLUDE and s.type != elf.SHT_GROUP:
        yield "EXCLUDE"
    if octets:
        yield "OCTETS"
    if s.flags & elf.SHF_TLS:
        yield "THREAD_LOCAL"
    if s.type == elf.SHT_GROUP:
        yield "GROUP"
    if s.is_comdat or s.name.startswith(".gnu.linkonce"):
        yield "LINK_ONCE_DISCARD"


def _by_name(name: str) -> tuple[bool, bool]:
    """Whether a section that is not loaded is debugging information, and whether it counts in octets."""
    if name.startswith((".debug", ".gnu.debuglto_.debug_", ".gnu.linkonce.wi.", ".zdebug")):
        return True, True
    if name.startswith((".gnu.build.attributes", ".note.gnu")):
        return False, True
    return name.startswith((".line", ".stab")) or name == ".gdb_index", False
