"""Write the linked file: contents, .symtab, .strtab, .shstrtab and the headers, in BFD's order."""

from __future__ import annotations

from typing import NamedTuple

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.layout import beside
from toolkit.asm.link.model import (
    DEFINED_WEAK,
    UNDEFINED,
    UNDEFINED_WEAK,
    Entry,
    InputFile,
    InputSection,
    OutputSection,
    StringTable,
)
from toolkit.asm.link.segments import Segment, is_tbss

_LONG_NOPS = tuple(
    bytes.fromhex(text)
    for text in (
        "90",
        "6690",
        "0f1f00",
        "0f1f4000",
        "0f1f440000",
        "660f1f440000",
        "0f1f8000000000",
        "0f1f840000000000",
        "660f1f840000000000",
        "662e0f1f840000000000",
    )
)
MAX_IMAGE = 1 << 30


class SymbolRow(NamedTuple):
    """A row of the output .symtab; ``section`` is a header index or SHN_*."""

    name: bytes
    value: int
    size: int
    info: int
    other: int
    section: int


def code_fill(count: int, long: bool) -> bytes:
    """What ld puts between input sections of code: the longest no-operations first (bfd/cpu-i386.c)."""
    longest = 10 if long else 2
    whole, rest = divmod(count, longest)
    return _LONG_NOPS[longest - 1] * whole + (_LONG_NOPS[rest - 1] if rest else b"")


def fill_contents(context: Context, image: bytearray) -> None:
    """Copy the input sections into the image, with fill between them in code."""
    for output in context.outputs:
        if output.type == elf.SHT_NOBITS:
            continue
        base = output.file_offset
        end = 0
        is_code = output.flags & elf.SHF_EXECINSTR
        for section in output.inputs:
            offset = section.offset
            if is_code and offset > end:
                image[base + end : base + offset] = code_fill(offset - end, context.is64)
            size = section.size
            if size and section.data:
                image[base + offset : base + offset + size] = section.data
            end = max(end, offset + size)
        if is_code and output.size > end:
            image[base + end : base + output.size] = code_fill(output.size - end, context.is64)


def symbol_rows(context: Context) -> tuple[list[SymbolRow], int]:
    """The rows of .symtab without the null one, and how many are local."""
    rows: list[SymbolRow] = []
    if context.options.strip == "all":
        return rows, 0
    if context.options.discard_locals != "x":
        for file in files_in_output_order(context):
            _local_rows(context, file, rows)
    entries = context.names.in_hash_order()
    if context.is_shared:
        for entry in entries:
            is_hidden = entry.visibility in (1, 2) and entry.is_defined
            entry.local = entry.local or (is_hidden and entry not in context.boundaries)
    hidden = [entry for entry in entries if entry.local]
    if hidden:
        forced = [row for entry in hidden if (row := global_row(context, entry, local=True)) is not None]
        if forced and any(row.info & 15 == elf.STT_FILE for row in rows):
            rows.append(SymbolRow(b"", 0, 0, elf.STT_FILE, 0, elf.SHN_ABS))
        rows += forced
    count = len(rows)
    for entry in entries:
        if not entry.local and (_is_mentioned(context, entry) or _is_own(entry)) and not _is_discarded(entry):
            row = global_row(context, entry)
            if row is not None:
                rows.append(row)
    return rows, count


def _is_mentioned(context: Context, entry: Entry) -> bool:
    """Whether an undefined name is still needed.

    A program's strong reference is either refused or, like a rewritten call of __tls_get_addr, gone; what stood
    in dropped sections only was never one. --gc-sections has its own marks.
    """
    options = context.options
    may_stay = context.is_shared or options.gc_sections or options.allow_undefined
    if may_stay or entry.state != UNDEFINED or entry.dynamic >= 0 or entry.dynamic_definition is not None:
        return entry.referenced
    return entry.name in (*options.undefined, options.entry or "_start")


def _is_own(entry: Entry) -> bool:
    """Defined by this link, be it by the linker itself."""
    return entry.is_defined and entry.dynamic_definition is None


def _is_discarded(entry: Entry) -> bool:
    """A copy without a size, in a section of copies that is taken out of an output section with other contents."""
    section = entry.section
    if entry.dynamic_definition is None or not isinstance(section, InputSection) or section.size:
        return False
    return section.output is not None and not section.output.removed


def files_in_output_order(context: Context) -> list[InputFile]:
    """Files by the first place one of their sections with contents has in the output."""
    seen: dict[InputFile, None] = {}
    for output in context.headers:
        if output.type != elf.SHT_NOBITS or output.flags & elf.SHF_TLS:
            for section in output.inputs:
                own = section.file is context.linker_file  # ld's own sections hang on the first file
                if not own:
                    seen.setdefault(section.file)
                elif section.name != ".note.gnu.build-id":  # which BFD writes after all others
                    seen.setdefault(context.files[0])
    return list(seen)


def is_temporary(context: Context, name: str) -> bool:
    """Whether a label is the compiler's own (``bfd_is_local_label_name``)."""
    return name.startswith((".L", "..", "_.L_") if context.is64 else (".L", "..", "_.L_", ".X"))


def _local_rows(context: Context, file: InputFile, rows: list[SymbolRow]) -> None:
    tls = context.tls.address if context.tls is not None else 0
    count = len(file.sections)
    discard = context.options.discard_locals
    has_file = False
    for name, value, size, kind, _, other, number in file.symbols[1 : file.first_global]:
        if kind == elf.STT_SECTION or number == elf.SHN_UNDEF:
            continue
        merged = False
        if number < count:
            section = file.sections[number]
            if section is None or section.output is None or section.output.removed:
                continue
            merged = bool(section.flags & elf.SHF_MERGE)
            if section.moved is not None:
                value = section.output.address + section.moved.place(value)
            else:
                value += section.output.address + section.offset
            if kind == elf.STT_TLS:
                value -= tls
            number = section.output.number
        elif number == elf.SHN_COMMON:
            continue
        if (discard == "X" or (merged and not discard)) and is_temporary(context, name):
            continue
        if not has_file:
            has_file = True
            if kind != elf.STT_FILE:  # so that the symbols do not seem to belong to the file before
                rows.append(SymbolRow(own_name(file), 0, 0, elf.STT_FILE, 0, elf.SHN_ABS))
        rows.append(SymbolRow(name.encode("utf-8", "surrogateescape"), value, size, kind, other, number))


def own_name(file: InputFile) -> bytes:
    """The base name of an object or archive member."""
    name = file.name
    if name.endswith(")") and "(" in name:
        name = name[name.rindex("(") + 1 : -1]
    return name.rpartition("/")[2].encode("utf-8", "surrogateescape")


def global_row(context: Context, entry: Entry, local: bool = False) -> SymbolRow | None:
    """The row of a global name; None if it is not written."""
    section = entry.section
    kind = entry.type
    binding = elf.STB_LOCAL if local else elf.STB_GLOBAL
    other = 0 if local else entry.visibility
    text = f"{entry.name}@{entry.version}" if entry.version and entry.dynamic_definition else entry.name
    name = text.encode("utf-8", "surrogateescape")
    if entry.is_defined and (entry.dynamic_definition is None or section is not None):
        if not local and entry.state == 4:
            binding = elf.STB_WEAK
        elif entry.unique and not local:
            binding = elf.STB_GNU_UNIQUE
        stand_in = context.stand_in(entry)
        if stand_in is not None:
            plt, value = stand_in
            number = plt.output.number if plt.output is not None else 0
            return SymbolRow(name, value, 0, binding << 4 | elf.STT_FUNC, other, number)
        if section is None:
            number = elf.SHN_ABS
            value = entry.value
        else:
            output = section if isinstance(section, OutputSection) else section.output
            if output is None:
                return None
            value = entry.address
            if output.removed:
                output = beside(context, output, value)
            number = output.number if output is not None else elf.SHN_ABS
            if kind == elf.STT_TLS and context.tls is not None:
                value -= context.tls.address
        return SymbolRow(name, value, entry.size, binding << 4 | kind, other, number)
    if entry.state in (UNDEFINED, UNDEFINED_WEAK) or entry.dynamic_definition is not None:
        if entry.state == UNDEFINED_WEAK and entry.dynamic < 0:
            return None
        from_library = entry.dynamic_definition is not None
        weak = not entry.strongly if entry.referenced else entry.state == DEFINED_WEAK
        if entry.state == UNDEFINED_WEAK or (from_library and weak):
            binding = elf.STB_WEAK
        return SymbolRow(name, context.value_of_undefined(entry), 0, binding << 4 | kind, other, 0)
    return None


def write(
    context: Context, segments: list[Segment], offset: int, entry_address: int, image: bytearray
) -> bytes:
    """The whole file. ``offset``: where the contents end and the tables begin."""
    is64 = context.is64
    outputs = context.headers
    rows, local_count = symbol_rows(context)
    strings = StringTable()
    for row in rows:
        strings.add(row.name)
    section_names = StringTable()
    for name in (b".symtab", b".strtab", b".shstrtab"):
        if name == b".shstrtab" or context.options.strip != "all":
            section_names.add(name)
    for output in outputs:
        section_names.add(output.name.encode("utf-8", "surrogateescape"))
    parts: list[bytes | bytearray] = [image]
    headers: list[tuple[int, ...]] = []
    if context.options.strip != "all":
        strtab = strings.finish()
        symtab = pack_symbols(rows, strings, is64)
        lead = -offset % context.word
        symbols_at = offset + lead
        strings_at = symbols_at + len(symtab)
        offset = strings_at + len(strtab)
        parts += (bytes(lead), symtab, strtab)
    shstrtab = section_names.finish()
    names = section_names.offsets
    row_format = elf.SHDR64 if is64 else elf.SHDR32
    headers.append((0,) * 10)
    for output in outputs:
        headers.append(
            (
                names[output.name.encode("utf-8", "surrogateescape")],
                output.type,
                output.flags,
                output.address,
                output.file_offset,
                output.size,
                output.link,
                output.info,
                output.alignment,
                output.entry_size,
            )
        )
    if context.options.strip != "all":
        number = len(outputs) + 1
        entry = elf.SYM64.size if is64 else elf.SYM32.size
        headers.append(
            (
                names[b".symtab"],
                elf.SHT_SYMTAB,
                0,
                0,
                symbols_at,
                len(symtab),
                number + 1,
                local_count + 1,
                context.word,
                entry,
            )
        )
        headers.append((names[b".strtab"], elf.SHT_STRTAB, 0, 0, strings_at, len(strtab), 0, 0, 1, 0))
    headers.append((names[b".shstrtab"], elf.SHT_STRTAB, 0, 0, offset, len(shstrtab), 0, 0, 1, 0))
    offset += len(shstrtab)
    lead = -offset % context.word
    parts += (shstrtab, bytes(lead), b"".join([row_format.pack(*header) for header in headers]))
    _pack_headers(context, segments, entry_address, offset + lead, len(headers), image, uses_gnu(rows))
    return b"".join(parts)


def checksummed(context: Context, data: bytes) -> bytes:
    """What BFD hashes for the build ID: the headers without file offsets, and the contents of the sections."""
    ehdr, shdr, phdr = (
        (elf.EHDR64, elf.SHDR64, elf.PHDR64) if context.is64 else (elf.EHDR32, elf.SHDR32, elf.PHDR32)
    )
    header = list(ehdr.unpack_from(data))
    start, count, table, sections = header[5], header[10], header[6], header[12]
    header[5] = header[6] = 0
    parts = [ehdr.pack(*header), data[start : start + count * phdr.size]]
    for number in range(sections):
        row = list(shdr.unpack_from(data, table + number * shdr.size))
        offset, size = row[4], row[5]
        row[4] = 0
        parts.append(shdr.pack(*row))
        if row[1] not in (elf.SHT_NOBITS, elf.SHT_NULL) and 0 < number <= len(context.headers):
            parts.append(data[offset : offset + size])
    return b"".join(parts)


def pack_symbol(is64: bool, name: int, info: int, other: int, section: int, value: int, size: int) -> bytes:
    """One row of a symbol table; ``name`` is an offset in its string table."""
    if is64:
        return elf.SYM64.pack(name, info, other, section, value & ((1 << 64) - 1), size)
    return elf.SYM32.pack(name, value & 0xFFFFFFFF, size & 0xFFFFFFFF, info, other, section)


def pack_symbols(rows: list[SymbolRow], strings: StringTable, is64: bool) -> bytes:
    offsets = strings.offsets
    if is64:
        pack = elf.SYM64.pack
        mask = (1 << 64) - 1
        body = [pack(offsets[n], i, o, s, v & mask, z) for n, v, z, i, o, s in rows]
    else:
        pack = elf.SYM32.pack
        mask = (1 << 32) - 1
        body = [pack(offsets[n], v & mask, z & mask, i, o, s) for n, v, z, i, o, s in rows]
    return bytes(elf.SYM64.size if is64 else elf.SYM32.size) + b"".join(body)


def _pack_headers(
    context: Context,
    segments: list[Segment],
    entry: int,
    sections_at: int,
    count: int,
    image: bytearray,
    uses_gnu: bool,
) -> None:
    is64 = context.is64
    kind = elf.ET_EXEC if context.options.kind == "static" else elf.ET_DYN
    first = next((s for s in segments if s.type == elf.PT_LOAD), None)
    if context.options.kind == "pie" and first is not None and first.address:
        kind = elf.ET_EXEC  # -Ttext-segment
    osabi = elf.ELFOSABI_GNU if uses_gnu else elf.ELFOSABI_SYSV
    ident = elf.ELF_MAGIC + bytes((2 if is64 else 1, 1, 1, osabi)) + bytes(8)
    header = elf.EHDR64 if is64 else elf.EHDR32
    row = elf.PHDR64 if is64 else elf.PHDR32
    shdr = elf.SHDR64 if is64 else elf.SHDR32
    phoff = header.size if segments else 0
    header.pack_into(
        image,
        0,
        ident,
        kind,
        context.machine,
        1,
        entry & ((1 << 8 * context.word) - 1),
        phoff,
        sections_at,
        0,
        header.size,
        row.size if segments else 0,
        len(segments),
        shdr.size,
        count,
        count - 1,
    )
    at = header.size
    for s in segments:
        if is64:
            row.pack_into(
                image,
                at,
                s.type,
                s.flags,
                s.offset,
                s.address,
                s.address,
                s.file_size,
                s.memory_size,
                s.alignment,
            )
        else:
            row.pack_into(
                image,
                at,
                s.type,
                s.offset,
                s.address,
                s.address,
                s.file_size,
                s.memory_size,
                s.flags,
                s.alignment,
            )
        at += row.size


def uses_gnu(rows: list[SymbolRow]) -> bool:
    """GNU OS ABI: an IFUNC or a unique symbol is in the symbol table."""
    return any(row.info & 15 == elf.STT_GNU_IFUNC or row.info >> 4 == elf.STB_GNU_UNIQUE for row in rows)


def is_in_file(output: OutputSection) -> bool:
    return output.type != elf.SHT_NOBITS and not is_tbss(output)
