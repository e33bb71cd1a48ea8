"""Read a shared library: the names it defines and asks for, and what it is to be called (System V ABI, chapter 5)."""

from __future__ import annotations

import struct

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.elfread import MalformedError, read_header, read_sections
from toolkit.asm.link.identifiers import count_sections
from toolkit.asm.link.model import (
    COMMON,
    DEFINED,
    DEFINED_WEAK,
    NEW,
    UNDEFINED,
    UNDEFINED_WEAK,
    Entry,
    InputFile,
    InputSection,
    InputSymbol,
    LibraryPlace,
)
from toolkit.asm.link.resolve import common_place, wrapped_name
from toolkit.asm.link.special import BY_LINKER


def read_library(name: str, data: bytes, *, searched: bool = False) -> InputFile:
    """A library with its dynamic symbols; ``file.soname`` is the name programs ask for. Raises MalformedError.

    ``searched``: it was found by -l, and is asked for without its folder if it does not name itself.
    """
    is64, header = read_header(data)
    soname = name.rpartition("/")[2] if searched else name
    file = InputFile(name, header[1], is64, dynamic=True, soname=soname)
    rows = read_sections(data, is64, header)
    file.made = count_sections(rows, header[12])
    table = next((row for row in rows if row[1] == elf.SHT_DYNSYM), None)
    if table is None or table[6] >= len(rows):
        raise MalformedError("the shared library has no dynamic symbol table")
    strings = _bytes(data, rows[table[6]])
    versions = next((_bytes(data, row) for row in rows if row[1] == elf.SHT_GNU_VERSYM), b"")
    layout = elf.SYM64 if is64 else elf.SYM32
    raw = _bytes(data, table)
    names, wanted = _version_names(data, rows), _wanted_versions(data, rows)
    for number, fields in enumerate(layout.iter_unpack(raw[: len(raw) // layout.size * layout.size])):
        if is64:
            at, info, other, section, value, size = fields
        else:
            at, value, size, info, other, section = fields
        version = int.from_bytes(versions[2 * number : 2 * number + 2], "little")
        if number and info >> 4 != elf.STB_LOCAL and other & 3 in (0, 3):
            symbol = InputSymbol(_text(strings, at), value, size, info & 15, info >> 4, other, section)
            file.symbols.append(symbol)
            name = (names if section else wanted).get(version & 0x7FFF, "")
            file.versions.append((name, bool(section) and not version & 0x8000))
    start, end = _relocation_read_only(data, is64, header)
    for number, row in enumerate(rows):
        if row[2] & elf.SHF_ALLOC:
            writable = bool(row[2] & elf.SHF_WRITE) and not (start <= row[3] and row[3] + row[5] <= end)
            empty = row[1] == elf.SHT_NOBITS
            file.places[number] = LibraryPlace(writable, row[3], max(row[8] & -row[8], 1), empty)
    dynamic = next((row for row in rows if row[1] == elf.SHT_DYNAMIC), None)
    pair = elf.DYN64 if is64 else elf.DYN32
    body = _bytes(data, dynamic) if dynamic is not None else b""
    for tag, value in pair.iter_unpack(body[: len(body) // pair.size * pair.size]):
        if tag == elf.DT_NULL:
            break
        if tag == elf.DT_NEEDED:
            file.needs.append(_text(strings, value))
        if tag == elf.DT_SONAME:
            file.soname = _text(strings, value)
    return file


def _relocation_read_only(data: bytes, is64: bool, header: tuple[int, ...]) -> tuple[int, int]:
    """Start and end of what is read-only once the library is relocated (PT_GNU_RELRO); the end is before the start if nothing is."""
    row = elf.PHDR64 if is64 else elf.PHDR32
    table, size, count = header[4], header[8], header[9]
    if size != row.size or table + count * size > len(data):
        return 1, 0
    for fields in row.iter_unpack(memoryview(data)[table : table + count * size]):
        if fields[0] == elf.PT_GNU_RELRO:
            address, length = (fields[3], fields[6]) if is64 else (fields[2], fields[5])
            return address, address + length
    return 1, 0


def _version_names(data: bytes, rows: list[tuple[int, ...]]) -> dict[int, str]:
    """Version index → name, from .gnu.version_d; index 1 is the library itself and has no version."""
    table = next((row for row in rows if row[1] == elf.SHT_GNU_VERDEF and row[6] < len(rows)), None)
    if table is None:
        return {}
    body, strings = _bytes(data, table), _bytes(data, rows[table[6]])
    names: dict[int, str] = {}
    at = 0
    for _ in range(min(table[7], len(body) // 20)):
        if at + 20 > len(body):
            raise MalformedError("a version definition lies beyond the end")
        _, flags, index, _, _, aux, step = struct.unpack_from("<HHHHIII", body, at)
        if not flags & 1 and at + aux + 8 <= len(body):
            names[index] = _text(strings, struct.unpack_from("<I", body, at + aux)[0])
        if not step:
            break
        at += step
    return names


def _wanted_versions(data: bytes, rows: list[tuple[int, ...]]) -> dict[int, str]:
    """Version index → name, from .gnu.version_r: which versions of other libraries' names it asks for."""
    table = next((row for row in rows if row[1] == elf.SHT_GNU_VERNEED and row[6] < len(rows)), None)
    if table is None:
        return {}
    body, strings = _bytes(data, table), _bytes(data, rows[table[6]])
    names: dict[int, str] = {}
    at = 0
    for _ in range(min(table[7], len(body) // 16)):
        if at + 16 > len(body):
            raise MalformedError("a version reference lies beyond the end")
        _, count, _, aux, step = struct.unpack_from("<HHIII", body, at)
        place = at + aux
        for _ in range(min(count, len(body) // 16)):
            if place + 16 > len(body):
                raise MalformedError("a version reference lies beyond the end")
            _, _, index, name, following = struct.unpack_from("<IHHII", body, place)
            names[index & 0x7FFF] = _text(strings, name)
            if not following:
                break
            place += following
        if not step:
            break
        at += step
    return names


def _bytes(data: bytes, row: tuple[int, ...]) -> bytes:
    if row[4] + row[5] > len(data):
        raise MalformedError("file truncated: a section lies beyond the end")
    return data[row[4] : row[4] + row[5]]


def _text(strings: bytes, offset: int) -> str:
    if offset >= len(strings):
        raise MalformedError("a name lies outside the string table")
    end = strings.find(b"\0", offset)
    return strings[offset : end if end >= 0 else len(strings)].decode("utf-8", "surrogateescape")


def _is_needed(context: Context, file: InputFile) -> bool:
    """Whether it defines what an object so far asks for and nobody has, or what a library asks for whose own list lacks it."""
    listed = {name for library in context.libraries for name in library.needs}
    for symbol, (version, default) in zip(file.symbols, file.versions, strict=True):
        if symbol.section == elf.SHN_UNDEF or (version and not default):
            continue
        entry = context.names.get(symbol.name)
        if entry is None or entry.state not in (UNDEFINED, UNDEFINED_WEAK, NEW):
            continue
        if entry.strongly or (entry.wanted_by_library and file.soname not in listed):
            return True
    return False


def add_library(context: Context, file: InputFile, *, as_needed: bool = False) -> None:
    """Enter the library's names; its definitions give way to those of objects. One met twice is entered once."""
    if any(library.soname == file.soname for library in context.libraries):
        return
    if as_needed and not _is_needed(context, file):
        return
    context.identifiers.make_dynamic(context)
    context.libraries.append(file)
    context.inputs.append(file)
    names, wrapped = context.names, context.options.wrapped
    if wrapped:
        file.symbols = [
            s if s.section else s._replace(name=wrapped_name(s.name, wrapped)) for s in file.symbols
        ]
    if any(version for version, _ in file.versions):
        names.synchronise()
    for symbol, (version, is_default) in zip(file.symbols, file.versions, strict=True):
        if version and not is_default:
            other = names.all_names.setdefault(f"{symbol.name}@{version}", Entry(symbol.name))
            if symbol.section == elf.SHN_UNDEF:
                other.dynamic_reference = True
                other.wanted_by_library = other.wanted_by_library or symbol.binding != elf.STB_WEAK
            continue
        entry = names.entry(symbol.name)
        asked = names.all_names.get(f"{symbol.name}@{version}") if version else None
        if asked is not None:
            entry.dynamic_reference = entry.dynamic_reference or asked.dynamic_reference
        if version:
            names.all_names.setdefault(f"{symbol.name}@@{version}", entry)
        if names.all_names:
            names.all_names.setdefault(symbol.name, entry)
        if version:
            names.all_names.setdefault(f"{symbol.name}@{version}", entry)
        if symbol.section == elf.SHN_UNDEF:
            entry.dynamic_reference = True
            entry.wanted_by_library = entry.wanted_by_library or symbol.binding != elf.STB_WEAK
            continue
        entry.defined_by_library = True
        if entry.visibility != elf.STV_DEFAULT:  # the object's own, whatever a library has
            entry.dynamic_reference = True
            continue
        if entry.state not in (NEW, UNDEFINED, UNDEFINED_WEAK):
            entry.dynamic_reference = True
            place = common_place(file, symbol) if entry.state == COMMON else None
            if place is not None:  # both are commons, one of them with its place already
                entry.size, entry.value = max(entry.size, symbol.size), max(entry.value, place.alignment)
            if entry.is_defined and entry.dynamic_definition is None:  # it tells what the object leaves open
                entry.type, entry.size = entry.type or symbol.type, entry.size or symbol.size
            continue
        entry.state = DEFINED_WEAK if symbol.binding == elf.STB_WEAK else DEFINED
        entry.dynamic_definition = symbol
        entry.protected = symbol.other & 3 == elf.STV_PROTECTED
        entry.section, entry.value, entry.file, entry.version = None, 0, file, version
        entry.type = elf.STT_FUNC if symbol.type == elf.STT_GNU_IFUNC else symbol.type
        entry.size = symbol.size


def report_hidden(context: Context) -> None:
    """A library can't have what the program hides."""
    if context.is_shared or not context.libraries:
        return
    names = {0: "local", 1: "internal", 2: "hidden"}
    for entry in context.names.entries.values():
        own = entry.is_defined and entry.dynamic_definition is None and not entry.defined_by_library
        if entry in context.boundaries or (
            isinstance(entry.section, InputSection) and not entry.section.kept
        ):
            continue
        if own and entry.wanted_by_library and entry.visibility in (elf.STV_INTERNAL, elf.STV_HIDDEN):
            place = entry.file.name if entry.file is not None else ""
            text = f"{names[entry.visibility]} symbol `{entry.name}' in {place} is referenced by DSO"
            context.say(
                "error",
                text,
                place,
                help=f"a library needs `{entry.name}': do not make it hidden",
                ld_message=f"a.out: {text}",
            )


def report_undefined(context: Context) -> None:
    """A program's library must find its names too; one that needs further libraries may have them from there."""
    if (
        context.is_shared
        or context.options.allow_undefined
        or context.options.lacking_libraries
        or any(library.needs for library in context.libraries)
    ):
        return
    for library in context.libraries:
        for symbol in library.symbols:
            entry = context.names.get(symbol.name)
            known = entry is not None and entry.state not in (NEW, UNDEFINED)
            ours = entry is not None and entry.referenced and not context.options.gc_sections
            defined = known or ours  # a reference of our own is spoken of where it is
            defined = defined or symbol.name in BY_LINKER
            if symbol.section == elf.SHN_UNDEF and symbol.binding != elf.STB_WEAK and not defined:
                context.say(
                    "error",
                    f"undefined reference to `{symbol.name}' in the library {library.name}",
                    library.name,
                    help=f"link the object or library that defines `{symbol.name}' as well",
                    ld_message=f"{library.name}: undefined reference to `{symbol.name}'",
                )
