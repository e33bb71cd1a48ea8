"""Write a ``Module`` as the relocatable ELF file nasm 2.16.01 writes, byte for byte.

The file is: header, section headers, then the sections, each padded to 16 bytes: those of the program in
order of first use, ``.shstrtab``, ``.symtab``, ``.strtab``, and one relocation section for each section with fixups.
elf64 puts addends into RELA entries and leaves the field zero; elf32 puts them into the field (REL).
The rules follow nasm's manual 8.9 ("elf32, elf64: ELF object files") and what nasm was observed to write.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass, field

from toolkit.abi import elf
from toolkit.asm.objfile import Module, Refusal, Section, Symbol
from toolkit.asm.source import to_bytes
from toolkit.asm.statement import Fixup

_ALIGNMENT = 16  # of every section in the file, and of its length
_TYPES = {"": 0, "notype": 0, "function": elf.STT_FUNC, "data": elf.STT_OBJECT, "object": elf.STT_OBJECT}
_VISIBILITY = {"default": 0, "internal": 1, "hidden": 2, "protected": 3}
_UNDEFINED = ("extern", "required")

_ABSOLUTE_64 = {1: elf.R_X86_64_8, 2: elf.R_X86_64_16, 4: elf.R_X86_64_32, 8: elf.R_X86_64_64}
_RELATIVE_64 = {1: elf.R_X86_64_PC8, 2: elf.R_X86_64_PC16, 4: elf.R_X86_64_PC32, 8: elf.R_X86_64_PC64}
_ABSOLUTE_32 = {1: elf.R_386_8, 2: elf.R_386_16, 4: elf.R_386_32}
_RELATIVE_32 = {1: elf.R_386_PC8, 2: elf.R_386_PC16, 4: elf.R_386_PC32}


class _UnsupportedError(Exception):
    """The format has no such relocation; the text is nasm's message."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """A relocation: its type, what it adds, and whether it names the symbol itself (``exact``: at its very address)."""

    type: int
    addend: int
    by_symbol: bool = False
    exact: bool = True


@dataclass(slots=True)
class _Tables:
    """Numbers of sections and symbols in the file being written."""

    sections: dict[Section, int]
    symbols: dict[Symbol, int] = field(default_factory=dict)
    globals_at: dict[Section, list[tuple[int, int]]] = field(
        default_factory=dict
    )  # (offset, symbol number), sorted


def write(module: Module) -> bytes:
    """The bytes of the .o file. Fixups without a relocation in this format are added to ``module.refused``.

    ``module.format`` must be ``elf64`` or ``elf32`` (ValueError otherwise).
    """
    if module.format not in ("elf64", "elf32"):
        raise ValueError(f"not an ELF format: {module.format}")
    wide = module.format == "elf64"
    tables = _Tables({section: number for number, section in enumerate(module.sections, 1)})
    strtab, symtab, first_global = _symbol_table(module, tables, wide)
    bodies: list[bytes | bytearray] = []
    relocations: list[tuple[Section, bytes]] = []
    for section in module.sections:
        body: bytes | bytearray = section.contents
        if section.fixups:
            body, entries = _relocate(module, section, tables, wide)
            if entries:
                relocations.append((section, entries))
        bodies.append(body)
    return _assemble_file(module, bodies, symtab, first_global, strtab, relocations)


def _is_written(symbol: Symbol) -> bool:
    if symbol.name.startswith("..") and symbol.name[2:3] != "@":
        return False
    return symbol.binding != "extern" or symbol.referenced


def _symbol_table(module: Module, tables: _Tables, wide: bool) -> tuple[bytes, bytes, int]:
    """.strtab in order of definition; .symtab: null, file, sections, locals, globals; the number of the first global."""
    source = module.source_name.encode("utf-8", "surrogateescape")
    strings = bytearray(b"\0" + source + b"\0")
    local: list[tuple[Symbol, int]] = []
    public: list[tuple[Symbol, int]] = []
    for symbol in module.symbols:
        if _is_written(symbol):
            (local if symbol.binding == "local" else public).append((symbol, len(strings)))
            strings += to_bytes(symbol.name) + b"\0"
    pack = _pack_symbol64 if wide else _pack_symbol32
    rows = [pack(0, 0, 0, 0, 0, 0), pack(1, elf.STT_FILE, 0, elf.SHN_ABS, 0, 0)]
    rows += [pack(0, elf.STT_SECTION, 0, number, 0, 0) for number in tables.sections.values()]
    first_global = len(rows) + len(local)
    for symbol, name in local + public:
        number = tables.symbols[symbol] = len(rows)
        section = symbol.section
        if section is not None and number >= first_global:
            tables.globals_at.setdefault(section, []).append((symbol.value, number))
        rows.append(pack(name, _info(symbol), _VISIBILITY[symbol.visibility], *_place(symbol, tables)))
    for places in tables.globals_at.values():
        places.sort()
    return bytes(strings), b"".join(rows), first_global


def _info(symbol: Symbol) -> int:
    kind = _TYPES[symbol.type]
    if symbol.section is not None and symbol.section.flags & elf.SHF_TLS:
        kind = elf.STT_TLS
    if symbol.binding == "local":
        return kind
    return (elf.STB_WEAK if symbol.binding == "weak" else elf.STB_GLOBAL) << 4 | kind


def _place(symbol: Symbol, tables: _Tables) -> tuple[int, int, int]:
    """Section number, value and size."""
    if symbol.binding == "common":
        return elf.SHN_COMMON, symbol.value, symbol.size
    if symbol.section is not None:
        return tables.sections[symbol.section], symbol.value, symbol.size
    if symbol.defined and symbol.binding not in _UNDEFINED:
        return elf.SHN_ABS, symbol.value, symbol.size
    return elf.SHN_UNDEF, 0, symbol.size


def _pack_symbol64(name: int, info: int, other: int, section: int, value: int, size: int) -> bytes:
    return elf.SYM64.pack(name, info, other, section, value & 0xFFFFFFFFFFFFFFFF, size & 0xFFFFFFFFFFFFFFFF)


def _pack_symbol32(name: int, info: int, other: int, section: int, value: int, size: int) -> bytes:
    return elf.SYM32.pack(name, value & 0xFFFFFFFF, size & 0xFFFFFFFF, info, other, section)


def _relocate(module: Module, section: Section, tables: _Tables, wide: bool) -> tuple[bytearray, bytes]:
    """The section's bytes with its fields filled, and its relocation entries."""
    body = bytearray(section.contents)
    entries = bytearray()
    for fixup in section.fixups:
        try:
            entry, stored = (_entry64 if wide else _entry32)(section, fixup, tables)
        except _UnsupportedError as problem:
            module.refused.append(Refusal(section, fixup.offset, str(problem)))
            continue
        entries += entry
        field_end = fixup.offset + fixup.size
        body[fixup.offset : field_end] = (stored & ((1 << 8 * fixup.size) - 1)).to_bytes(fixup.size, "little")
    return body, bytes(entries)


def _target(fixup: Fixup) -> Section | Symbol | None:
    """The one section or symbol a field refers to."""
    terms = fixup.value.terms
    if not terms:
        return None
    base, coefficient = terms[0]
    if len(terms) > 1 or coefficient != 1 or isinstance(base, str):
        raise _UnsupportedError("expression is not simple or relocatable")
    return base


def _wrt(fixup: Fixup) -> str | None:
    wrt = fixup.value.wrt
    return wrt if wrt is None or isinstance(wrt, str) else wrt.name


def _symbol_number(
    target: Section | Symbol | None, choice: _Choice, tables: _Tables, constant: int
) -> tuple[int, int]:
    """The symbol table index an entry names, and the addend counted from that symbol."""
    if target is None:
        return 0, choice.addend
    if isinstance(target, Symbol):
        if choice.by_symbol and choice.exact and constant:
            raise _UnsupportedError("invalid access to an external symbol")
        return tables.symbols[target], choice.addend
    if not choice.by_symbol:
        return tables.sections[target] + 1, choice.addend
    places = tables.globals_at.get(target, [])
    at = bisect_right(places, constant, key=lambda place: place[0]) - 1
    if at < 0 or (choice.exact and places[at][0] != constant):
        raise _UnsupportedError("unable to find a suitable global symbol for this reference")
    return places[at][1], choice.addend - places[at][0]


def _entry64(section: Section, fixup: Fixup, tables: _Tables) -> tuple[bytes, int]:
    """A RELA entry and what the field holds."""
    target = _target(fixup)
    constant = fixup.value.constant
    if target is None:
        return b"", constant - fixup.end if fixup.relative else constant
    choice = (_relative64 if fixup.relative else _absolute64)(fixup, _wrt(fixup), constant)
    number, addend = _symbol_number(target, choice, tables, constant)
    return elf.RELA64.pack(fixup.offset, number << 32 | choice.type, _signed(addend, 64)), 0


def _signed(value: int, bits: int) -> int:
    half = 1 << bits - 1
    return (value + half) % (2 * half) - half


def _absolute64(fixup: Fixup, wrt: str | None, constant: int) -> _Choice:
    size = fixup.size
    plain = elf.R_X86_64_32S if fixup.signed and size == 4 else _ABSOLUTE_64[size]
    if wrt is None:
        return _Choice(plain, constant)
    if wrt == "..gotpc":
        return _Choice(elf.R_X86_64_GOTPC32, constant + fixup.offset)
    if wrt == "..gotoff":
        if size != 8:
            raise _UnsupportedError("ELF64 requires ..gotoff references to be qword")
        return _Choice(elf.R_X86_64_GOTOFF64, constant)
    if wrt == "..got":
        if size not in (4, 8):
            raise _UnsupportedError("invalid ..got reference")
        return _Choice(elf.R_X86_64_GOT32 if size == 4 else elf.R_X86_64_GOT64, constant, by_symbol=True)
    if wrt == "..sym":
        return _Choice(plain, constant, by_symbol=True, exact=False)
    if wrt == "..plt":
        raise _UnsupportedError("ELF format cannot produce non-PC-relative PLT references")
    raise _UnsupportedError("ELF format does not support this use of WRT")


def _relative64(fixup: Fixup, wrt: str | None, constant: int) -> _Choice:
    size = fixup.size
    addend = constant - fixup.end
    if wrt is None:
        return _Choice(_RELATIVE_64[size], addend)
    if size < 4:
        raise _UnsupportedError(f"Unsupported {size * 8}-bit ELF relocation")
    if wrt in ("..gotpc", "..got"):
        kind = elf.R_X86_64_GOTPCREL if size == 4 else elf.R_X86_64_GOTPCREL64
        return _Choice(kind, addend, by_symbol=True)
    if wrt == "..gotoff":
        raise _UnsupportedError(
            "ELF64 requires ..gotoff references to be " + ("qword absolute" if size == 4 else "absolute")
        )
    if wrt == "..gottpoff":
        if size == 8:
            raise _UnsupportedError("ELF64 requires ..gottpoff references to be dword")
        return _Choice(elf.R_X86_64_GOTTPOFF, addend, by_symbol=True)
    if wrt == "..plt" and size == 4:
        return _Choice(elf.R_X86_64_PLT32, addend, by_symbol=True)
    raise _UnsupportedError("ELF64 format does not support this use of WRT")


def _entry32(section: Section, fixup: Fixup, tables: _Tables) -> tuple[bytes, int]:
    """A REL entry and what the field holds: the addend."""
    target = _target(fixup)
    constant = fixup.value.constant
    if target is None and not fixup.relative:
        return b"", constant
    choice = (_relative32 if fixup.relative else _absolute32)(fixup, _wrt(fixup), constant)
    number, addend = _symbol_number(target, choice, tables, constant)
    return elf.REL32.pack(fixup.offset & 0xFFFFFFFF, number << 8 | choice.type), addend


def _absolute32(fixup: Fixup, wrt: str | None, constant: int) -> _Choice:
    size = fixup.size
    if wrt == "..plt":
        raise _UnsupportedError("ELF format cannot produce non-PC-relative PLT references")
    if wrt is not None and wrt not in ("..gotpc", "..gotoff", "..tlsie", "..got", "..sym"):
        raise _UnsupportedError("ELF format does not support this use of WRT")
    if size not in _ABSOLUTE_32 or (size != 4 and wrt not in (None, "..sym")):
        raise _UnsupportedError(f"Unsupported {size * 8}-bit ELF relocation")
    if wrt is None or wrt == "..sym":
        return _Choice(_ABSOLUTE_32[size], constant, by_symbol=wrt is not None, exact=False)
    if wrt == "..gotpc":
        return _Choice(elf.R_386_GOTPC, constant + fixup.offset)
    if wrt == "..gotoff":
        return _Choice(elf.R_386_GOTOFF, constant)
    return _Choice(elf.R_386_TLS_IE if wrt == "..tlsie" else elf.R_386_GOT32, constant, by_symbol=True)


def _relative32(fixup: Fixup, wrt: str | None, constant: int) -> _Choice:
    size = fixup.size
    addend = constant - fixup.end
    if size == 8:
        raise _UnsupportedError("32-bit ELF format does not support 64-bit relocations")
    if wrt is None:
        return _Choice(_RELATIVE_32[size], addend)
    if size < 4:
        raise _UnsupportedError(f"Unsupported {size * 8}-bit ELF relocation")
    if wrt == "..plt":
        return _Choice(elf.R_386_PLT32, addend)
    if wrt in ("..gotpc", "..gotoff", "..got"):
        raise _UnsupportedError("ELF format cannot produce PC-relative GOT references")
    raise _UnsupportedError("ELF format does not support this use of WRT")


def _assemble_file(
    module: Module,
    bodies: list[bytes | bytearray],
    symtab: bytes,
    first_global: int,
    strtab: bytes,
    relocations: list[tuple[Section, bytes]],
) -> bytes:
    """Headers and sections in nasm's order."""
    wide = module.format == "elf64"
    word = 8 if wide else 4
    prefix = ".rela" if wide else ".rel"
    numbers = {section: number for number, section in enumerate(module.sections, 1)}
    names = [section.name for section in module.sections]
    names += [".shstrtab", ".symtab", ".strtab"] + [prefix + section.name for section, _ in relocations]
    shstrtab = b"\0" + b"".join(to_bytes(name) + b"\0" for name in names)
    shstrtab_number = len(module.sections) + 1
    # type, flags, body, size, link, info, alignment, entry size
    rows: list[tuple[int, int, bytes | bytearray | None, int, int, int, int, int]] = [
        (
            s.type,
            s.flags,
            None if s.type == elf.SHT_NOBITS else body,
            s.length,
            0,
            0,
            s.alignment,
            s.entry_size,
        )
        for s, body in zip(module.sections, bodies, strict=True)
    ]
    entry = elf.SYM64.size if wide else elf.SYM32.size
    rows.append((elf.SHT_STRTAB, 0, shstrtab, len(shstrtab), 0, 0, 1, 0))
    rows.append((elf.SHT_SYMTAB, 0, symtab, len(symtab), shstrtab_number + 2, first_global, word, entry))
    rows.append((elf.SHT_STRTAB, 0, strtab, len(strtab), 0, 0, 1, 0))
    kind = elf.SHT_RELA if wide else elf.SHT_REL
    size = elf.RELA64.size if wide else elf.REL32.size
    for section, entries in relocations:
        rows.append((kind, 0, entries, len(entries), shstrtab_number + 1, numbers[section], word, size))
    return _pack_file(module, names, rows, shstrtab_number)


def _pack_file(
    module: Module,
    names: list[str],
    rows: list[tuple[int, int, bytes | bytearray | None, int, int, int, int, int]],
    shstrtab_number: int,
) -> bytes:
    wide = module.format == "elf64"
    header, row = (elf.SHDR64, elf.SHDR64) if wide else (elf.SHDR32, elf.SHDR32)
    count = len(rows) + 1
    ident = elf.ELF_MAGIC + struct.pack(
        "<BBBBB7x",
        elf.ELFCLASS64 if wide else elf.ELFCLASS32,
        elf.ELFDATA2LSB,
        elf.EV_CURRENT,
        module.osabi,
        module.abi_version,
    )
    machine = elf.EM_X86_64 if wide else elf.EM_386
    ehdr = elf.EHDR64 if wide else elf.EHDR32
    pieces: list[bytes | bytearray] = [
        ehdr.pack(
            ident, elf.ET_REL, machine, 1, 0, 0, 64, 0, ehdr.size, 0, 0, header.size, count, shstrtab_number
        ).ljust(64, b"\0"),
        row.pack(*[0] * 10),
    ]
    position = 64 + row.size * count
    lead = -position % _ALIGNMENT
    position += lead
    name_offset = 1
    contents: list[bytes | bytearray] = [bytes(lead)]
    largest = (1 << 64) - 1 if wide else (1 << 32) - 1  # nasm drops what doesn't fit, without a word
    for name, (kind, flags, body, size, link, info, alignment, entry) in zip(names, rows, strict=True):
        size, entry = size & largest, entry & largest
        pieces.append(row.pack(name_offset, kind, flags, 0, position, size, link, info, alignment, entry))
        name_offset += len(to_bytes(name)) + 1
        if body is not None:
            padding = -len(body) % _ALIGNMENT
            contents += (body, bytes(padding))
            position += len(body) + padding
    return b"".join(pieces + contents)
