"""Writes a minimal shared library as one page-aligned segment: dynamic symbols with versions, both hash tables.

Layouts: System V ABI chapter 5 (dynamic linking, hash table), the GNU symbol-versioning and GNU_HASH formats as
glibc reads them (elf/dl-lookup.c, elf/dl-version.c).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from toolkit.abi import elf

VER_FLG_BASE = 1
GNU_HASH_SHIFT = 6
NOTE_LINUX_VERSION = 0
LINUX_VERSION = 6 << 16 | 18 << 8


@dataclass(frozen=True, slots=True)
class Symbol:
    """A function under one or more names; the first is global, the others weak."""

    names: tuple[str, ...]
    version: str
    code: bytes


@dataclass(slots=True)
class Section:
    """One section of the file; `info` and `link` as the gABI says for its type (link by section name)."""

    name: str
    kind: int
    data: bytes
    flags: int = elf.SHF_ALLOC
    link: str = ""
    info: int = 0
    alignment: int = 8
    entry_size: int = 0
    offset: int = 0


@dataclass(slots=True)
class Strings:
    """A string table in the making."""

    data: bytearray = field(default_factory=lambda: bytearray(b"\0"))

    def add(self, text: str) -> int:
        """The offset of a string that is now in the table."""
        place = len(self.data)
        self.data += text.encode() + b"\0"
        return place


def sysv_hash(name: str) -> int:
    """The gABI's hash function."""
    value = 0
    for byte in name.encode():
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value


def gnu_hash(name: str) -> int:
    """The hash of DT_GNU_HASH: h * 33 + c from 5381."""
    value = 5381
    for byte in name.encode():
        value = value * 33 + byte & 0xFFFFFFFF
    return value


def build(bits: int, soname: str, versions: Sequence[str], symbols: Sequence[Symbol]) -> bytes:
    """The bytes of the library. Every version must be one of `versions`, in the order they are defined."""
    strings = Strings()
    named = sorted(
        ((name, symbol, position) for symbol in symbols for position, name in enumerate(symbol.names)),
        key=lambda item: gnu_hash(item[0]) % buckets(symbols),
    )
    names = [name for name, _, _ in named]
    text, places = lay_out_code(symbols)
    indices = {version: number for number, version in enumerate(versions, 2)}
    version_numbers = [0, *(indices[symbol.version] for _, symbol, _ in named)]
    empty_symbols = bytes((elf.SYM64 if bits == 64 else elf.SYM32).size * (len(names) + 1))
    name_places = [strings.add(name) for name in names]
    definitions = version_definitions([soname, *versions], strings)
    soname_place = strings.add(soname)
    word = bits // 8
    symbol_size = len(empty_symbols) // (len(names) + 1)
    sections = [
        Section(".hash", elf.SHT_HASH, sysv_table(names), link=".dynsym", entry_size=4),
        Section(".gnu.hash", elf.SHT_GNU_HASH, gnu_table(names, bits, buckets(symbols)), link=".dynsym"),
        Section(".dynsym", elf.SHT_DYNSYM, empty_symbols, link=".dynstr", info=1, entry_size=symbol_size),
        Section(".dynstr", elf.SHT_STRTAB, bytes(strings.data), alignment=1),
        Section(".gnu.version", elf.SHT_GNU_VERSYM, struct.pack(f"<{len(version_numbers)}H", *version_numbers),
                link=".dynsym", alignment=2, entry_size=2),
        Section(".gnu.version_d", elf.SHT_GNU_VERDEF, definitions, link=".dynstr", info=len(versions) + 1),
        Section(".dynamic", elf.SHT_DYNAMIC, bytes(12 * 2 * word), elf.SHF_ALLOC | elf.SHF_WRITE, ".dynstr",
                alignment=word, entry_size=2 * word),
        Section(".note", elf.SHT_NOTE, note(), alignment=4),
        Section(".text", elf.SHT_PROGBITS, text, elf.SHF_ALLOC | elf.SHF_EXECINSTR, alignment=32),
    ]  # fmt: skip
    place_sections(sections, bits)
    by_name = {section.name: section for section in sections}
    by_name[".dynsym"].data = symbol_table(
        bits, sections, [(place, named[index], places) for index, place in enumerate(name_places)]
    )
    by_name[".dynamic"].data = dynamic_table(bits, by_name, soname_place, symbol_size, len(versions) + 1)
    return assemble(bits, sections)


def buckets(symbols: Sequence[Symbol]) -> int:
    """Few names, few buckets."""
    return max(1, len(symbols) // 2)


def lay_out_code(symbols: Sequence[Symbol]) -> tuple[bytes, dict[int, int]]:
    """The functions one after another at multiples of 16, and each one's offset by identity."""
    text = bytearray()
    places = {}
    for symbol in symbols:
        text += b"\x90" * (-len(text) % 16)
        places[id(symbol)] = len(text)
        text += symbol.code
    return bytes(text), places


def sysv_table(names: Sequence[str]) -> bytes:
    """DT_HASH: buckets, then for each symbol the next one in its chain."""
    number = max(1, len(names) // 2)
    heads, chains = [0] * number, [0] * (len(names) + 1)
    for index, name in enumerate(names, 1):
        bucket = sysv_hash(name) % number
        chains[index], heads[bucket] = heads[bucket], index
    return struct.pack(f"<II{number}I{len(chains)}I", number, len(chains), *heads, *chains)


def gnu_table(names: Sequence[str], bits: int, number: int) -> bytes:
    """DT_GNU_HASH over names sorted by bucket: a Bloom filter of one word, buckets, and the chains of hashes."""
    hashes = [gnu_hash(name) for name in names]
    bloom = 0
    heads = [0] * number
    for index, value in enumerate(hashes, 1):
        bloom |= 1 << value % bits | 1 << (value >> GNU_HASH_SHIFT) % bits
        heads[value % number] = heads[value % number] or index
    chain = []
    for index, value in enumerate(hashes):
        last = index + 1 == len(hashes) or hashes[index + 1] % number != value % number
        chain.append(value & ~1 | last)
    head = struct.pack("<IIII", number, 1, 1, GNU_HASH_SHIFT) + bloom.to_bytes(bits // 8, "little")
    return head + struct.pack(f"<{number}I{len(chain)}I", *heads, *chain)


def version_definitions(names: Sequence[str], strings: Strings) -> bytes:
    """DT_VERDEF: the library's own name as the base version, then its versions."""
    data = b""
    for number, name in enumerate(names, 1):
        following = 28 if number < len(names) else 0
        flags = VER_FLG_BASE if number == 1 else 0
        data += struct.pack("<HHHHIII", 1, flags, number, 1, sysv_hash(name), 20, following)
        data += struct.pack("<II", strings.add(name), 0)
    return data


def note() -> bytes:
    """The kernel's version, as glibc's ABI check reads it."""
    return struct.pack("<III", 6, 4, NOTE_LINUX_VERSION) + b"Linux\0\0\0" + struct.pack("<I", LINUX_VERSION)


def place_sections(sections: Sequence[Section], bits: int) -> None:
    """File offsets, which are the addresses as well, after the headers."""
    header, program = (elf.EHDR64, elf.PHDR64) if bits == 64 else (elf.EHDR32, elf.PHDR32)
    offset = header.size + 3 * program.size
    for section in sections:
        offset += -offset % section.alignment
        section.offset = offset
        offset += len(section.data)


def symbol_table(
    bits: int,
    sections: Sequence[Section],
    entries: Sequence[tuple[int, tuple[str, Symbol, int], dict[int, int]]],
) -> bytes:
    """.dynsym: the null symbol, then a function for each name."""
    text_index = next(index for index, section in enumerate(sections, 1) if section.name == ".text")
    text = sections[text_index - 1].offset
    data = bytes((elf.SYM64 if bits == 64 else elf.SYM32).size)
    for name_place, (_, symbol, position), places in entries:
        binding = elf.STB_WEAK if position else elf.STB_GLOBAL
        info, value, size = binding << 4 | elf.STT_FUNC, text + places[id(symbol)], len(symbol.code)
        if bits == 64:
            data += elf.SYM64.pack(name_place, info, 0, text_index, value, size)
        else:
            data += elf.SYM32.pack(name_place, value, size, info, 0, text_index)
    return data


def dynamic_table(
    bits: int, by_name: dict[str, Section], soname: int, symbol_size: int, version_count: int
) -> bytes:
    """.dynamic: where everything is."""
    entries = [
        (elf.DT_SONAME, soname),
        (elf.DT_SYMBOLIC, 0),
        (elf.DT_HASH, by_name[".hash"].offset),
        (elf.DT_GNU_HASH, by_name[".gnu.hash"].offset),
        (elf.DT_STRTAB, by_name[".dynstr"].offset),
        (elf.DT_SYMTAB, by_name[".dynsym"].offset),
        (elf.DT_STRSZ, len(by_name[".dynstr"].data)),
        (elf.DT_SYMENT, symbol_size),
        (elf.DT_VERDEF, by_name[".gnu.version_d"].offset),
        (elf.DT_VERDEFNUM, version_count),
        (elf.DT_VERSYM, by_name[".gnu.version"].offset),
        (elf.DT_NULL, 0),
    ]
    layout = elf.DYN64 if bits == 64 else elf.DYN32
    return b"".join(layout.pack(tag, value) for tag, value in entries)


def assemble(bits: int, sections: list[Section]) -> bytes:
    """Headers, sections and section headers in one file."""
    names = Strings()
    all_sections = [*sections, Section(".shstrtab", elf.SHT_STRTAB, b"", 0, alignment=1)]
    name_places = [names.add(section.name) for section in all_sections]
    all_sections[-1].data = bytes(names.data)
    end = sections[-1].offset + len(sections[-1].data)
    all_sections[-1].offset = end
    table = end + len(names.data) + -(end + len(names.data)) % 8
    image = bytearray(table)
    for section in all_sections:
        image[section.offset : section.offset + len(section.data)] = section.data
    image += section_headers(bits, all_sections, name_places)
    headers = file_header(bits, table, len(all_sections) + 1) + program_headers(bits, sections, end)
    image[: len(headers)] = headers
    return bytes(image)


def section_headers(bits: int, sections: Sequence[Section], name_places: Sequence[int]) -> bytes:
    """The null header, then one for each section."""
    layout = elf.SHDR64 if bits == 64 else elf.SHDR32
    index = {section.name: number for number, section in enumerate(sections, 1)}
    data = bytes(layout.size)
    for section, name in zip(sections, name_places, strict=True):
        address = section.offset if section.flags & elf.SHF_ALLOC else 0
        data += layout.pack(
            name, section.kind, section.flags, address, section.offset, len(section.data),
            index.get(section.link, 0), section.info, section.alignment, section.entry_size,
        )  # fmt: skip
    return data


def file_header(bits: int, section_table: int, section_count: int) -> bytes:
    """A shared object without an entry point."""
    wide = bits == 64
    header, program, section = (
        (elf.EHDR64, elf.PHDR64, elf.SHDR64) if wide else (elf.EHDR32, elf.PHDR32, elf.SHDR32)
    )
    kind = elf.ELFCLASS64 if wide else elf.ELFCLASS32
    ident = elf.ELF_MAGIC + bytes((kind, elf.ELFDATA2LSB, elf.EV_CURRENT, elf.ELFOSABI_SYSV)) + bytes(8)
    machine = elf.EM_X86_64 if wide else elf.EM_386
    return header.pack(
        ident, elf.ET_DYN, machine, elf.EV_CURRENT, 0, header.size, section_table, 0,
        header.size, program.size, 3, section.size, section_count, section_count - 1,
    )  # fmt: skip


def program_headers(bits: int, sections: Sequence[Section], end: int) -> bytes:
    """One readable and executable segment, the dynamic section and the note."""
    by_name = {section.name: section for section in sections}
    dynamic, remark = by_name[".dynamic"], by_name[".note"]
    rows = (
        (elf.PT_LOAD, elf.PF_R | elf.PF_X, 0, end, 0x1000),
        (elf.PT_DYNAMIC, elf.PF_R, dynamic.offset, len(dynamic.data), dynamic.alignment),
        (elf.PT_NOTE, elf.PF_R, remark.offset, len(remark.data), remark.alignment),
    )
    data = b""
    for kind, flags, offset, size, alignment in rows:
        if bits == 64:
            data += elf.PHDR64.pack(kind, flags, offset, offset, offset, size, size, alignment)
        else:
            data += elf.PHDR32.pack(kind, offset, offset, offset, size, size, flags, alignment)
    return data
