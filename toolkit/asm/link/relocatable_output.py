"""Write a relocatable object: sections, symbols and relocations in BFD's order (elflink.c ``elf_link_input_bfd``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

from toolkit.abi import elf
from toolkit.asm.link import output as linked
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import (
    COMMON,
    DEFINED_WEAK,
    UNDEFINED_WEAK,
    Entry,
    InputFile,
    InputSection,
    OutputSection,
    Relocation,
    StringTable,
)
from toolkit.asm.link.output import SymbolRow, files_in_output_order, pack_symbols
from toolkit.asm.link.relax64 import writable
from toolkit.asm.link.relocate import PLAIN_32, PLAIN_64
from toolkit.asm.link.script import is_debugging
from toolkit.asm.link.twins import Twins

_QUIET = (".eh_frame", ".gcc_except_table", ".sframe")  # whose references to what is dropped are dropped too
_Target = (
    Entry | OutputSection | tuple[InputFile, int] | None
)  # a name, a section, a local symbol, or nothing


class _Row(NamedTuple):
    """A relocation of the output."""

    offset: int
    type: int
    target: _Target
    addend: int


@dataclass(slots=True)
class _Object:
    """The file in the making. Symbols are indices in ``rows`` plus one, for the null one."""

    context: Context
    rows: list[SymbolRow] = field(default_factory=list)
    sections: dict[OutputSection, int] = field(default_factory=dict)  # → their symbols
    locals: dict[tuple[InputFile, int], int] = field(default_factory=dict)
    globals: dict[Entry, int] = field(default_factory=dict)
    relocations: dict[OutputSection, list[_Row]] = field(default_factory=dict)
    tables: dict[OutputSection, int] = field(
        default_factory=dict
    )  # → the number of their relocations' section
    local_count: int = 0

    def add(self, row: SymbolRow) -> int:
        self.rows.append(row)
        return len(self.rows)


def write(context: Context) -> bytes | None:
    """The whole file; None when it would be too long."""
    made = _Object(context)
    _collect_relocations(made)
    _number_sections(made)
    size = sum(o.size + o.alignment for o in context.headers if o.type != elf.SHT_NOBITS)
    if size > linked.MAX_IMAGE or any(o.alignment > linked.MAX_IMAGE for o in context.headers):
        context.say("error", f"the object would be about {size:,} bytes long", context.files[0].name)
        return None
    _add_symbols(made)
    _fill_groups(made)
    return _Writer(made).file()


def _number_sections(made: _Object) -> None:
    """Groups first, then each section with its relocations behind it."""
    headers = made.context.headers
    number = 0
    for output in sorted(headers, key=lambda output: output.type != elf.SHT_GROUP):
        number += 1
        output.number = number
        if made.relocations.get(output):
            number += 1
            made.tables[output] = number


# ---- symbols --------------------------------------------------------------------------------------------------------


def _add_symbols(made: _Object) -> None:
    context = made.context
    for output in sorted(context.headers, key=lambda output: output.number):
        made.sections[output] = made.add(SymbolRow(b"", 0, 0, elf.STT_SECTION, 0, output.number))
    for file in files_in_output_order(context):
        _add_locals(made, file)
    made.local_count = len(made.rows)
    mentioned = _mentioned(made)
    for entry in context.names.in_hash_order():
        row = _global_row(context, entry) if entry in mentioned else None
        if row is not None:
            made.globals[entry] = made.add(row)


def _mentioned(made: _Object) -> set[Entry]:
    """Global names for the symbol table: not those that only a dropped group defines, unless a relocation asks for them."""
    context = made.context
    found, dropped = set[Entry](), set[Entry]()
    for file in context.files:
        for entry, symbol in zip(file.entries, file.symbols[file.first_global :], strict=False):
            if entry is not None:
                section = file.sections[symbol.section] if symbol.section < len(file.sections) else None
                (found if section is None or section.kept or entry.is_defined else dropped).add(entry)
    wanted = {r.target for rows in made.relocations.values() for r in rows if isinstance(r.target, Entry)}
    return (found | {context.names.entry(name) for name in context.options.asked}) - dropped | wanted


def _add_locals(made: _Object, file: InputFile) -> None:
    """The file's local symbols, and behind them those that were discarded and a relocation wants all the same."""
    discard = made.context.options.discard_locals
    has_file = False
    for number in range(1, file.first_global):
        row = _local_row(file, number)
        kind = file.symbols[number].type
        if row is None or kind == elf.STT_SECTION or discard == "x":
            continue
        if discard == "X" and linked.is_temporary(made.context, file.symbols[number].name):
            continue
        if not has_file:
            has_file = True
            if kind != elf.STT_FILE:
                made.add(SymbolRow(linked.own_name(file), 0, 0, elf.STT_FILE, 0, elf.SHN_ABS))
        made.locals[file, number] = made.add(row)
    groups = {group.number: group.symbol for group in file.group_sections}
    for section in file.content() if discard else ():
        if section.output is None:
            continue
        numbers = (
            [groups[section.number]] if section.number in groups else [r.symbol for r in section.relocations]
        )
        for number in numbers:
            if not 0 < number < file.first_global or (file, number) in made.locals:
                continue
            row = _local_row(file, number)
            if row is not None and file.symbols[number].type != elf.STT_SECTION:
                made.locals[file, number] = made.add(row)


def _local_row(file: InputFile, number: int) -> SymbolRow | None:
    """A local symbol in the output; None where its section is not."""
    name, value, size, kind, _, other, place = file.symbols[number]
    if place in (elf.SHN_UNDEF, elf.SHN_COMMON):
        return None
    if place < len(file.sections):
        section = file.sections[place]
        if section is None or section.output is None:
            return None
        value = section.moved.place(value) if section.moved is not None else value + section.offset
        place = section.output.number
    return SymbolRow(name.encode("utf-8", "surrogateescape"), value, size, kind, other, place)


def _global_row(context: Context, entry: Entry) -> SymbolRow | None:
    name = entry.name.encode("utf-8", "surrogateescape")
    if entry.state == COMMON:
        alignment = 1 << max(entry.value - 1, 0).bit_length() if entry.value else 1
        return SymbolRow(
            name, alignment, entry.size, elf.STB_GLOBAL << 4 | entry.type, entry.visibility, elf.SHN_COMMON
        )
    if entry.is_defined:
        section = entry.section
        place, value = elf.SHN_ABS, entry.value
        if isinstance(section, InputSection):
            if section.output is None:
                return None
            place = section.output.number
            value = section.moved.place(value) if section.moved is not None else value + section.offset
        binding = elf.STB_WEAK if entry.state == DEFINED_WEAK else elf.STB_GLOBAL
        binding = elf.STB_GNU_UNIQUE if entry.unique else binding
        return SymbolRow(name, value, entry.size, binding << 4 | entry.type, entry.visibility, place)
    binding = elf.STB_WEAK if entry.state == UNDEFINED_WEAK else elf.STB_GLOBAL
    return SymbolRow(name, 0, entry.size, binding << 4 | entry.type, entry.visibility, elf.SHN_UNDEF)


# ---- relocations ----------------------------------------------------------------------------------------------------


def _collect_relocations(made: _Object) -> None:
    twins = Twins(made.context)
    for output in made.context.headers:
        rows: list[_Row | None] = []
        for section in output.inputs:
            last = section.offset
            for relocation in section.relocations:
                if relocation.offset < 0:  # of an entry of .eh_frame that is gone
                    rows.append(_Row(last, 0, None, 0))
                    continue
                last = section.offset + relocation.offset
                rows.append(_row(made.context, twins, section, relocation))
        found = [row for row in rows if row is not None]
        if rows and not found:  # one stays, lest the table be empty
            found = [_Row(last, 0, None, 0)]
        made.relocations[output] = sorted(found, key=lambda row: row.offset)


def _row(context: Context, twins: Twins, section: InputSection, relocation: Relocation) -> _Row | None:
    file, (offset, kind, number, addend) = section.file, relocation
    at = section.offset + offset
    if number >= file.first_global:
        return _Row(at, kind, file.entries[number - file.first_global], addend or 0)
    symbol = file.symbols[number]
    target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
    if not number or target is None:
        return _Row(at, kind, (file, number) if number else None, addend or 0)
    if target.output is None:
        twin = twins.of(target) if section.name not in _QUIET else None
        if twin is None or not _is_debugging(section):
            return _discarded(context, section, relocation, target)
        target = twin
    if symbol.type != elf.STT_SECTION:
        return _Row(at, kind, (file, number), addend or 0)
    assert target.output is not None
    if addend is None:
        _add_to_field(context, section, relocation, target.offset)
        return _Row(at, kind, target.output, 0)
    return _Row(at, kind, target.output, addend + target.offset)


def _discarded(
    context: Context, section: InputSection, relocation: Relocation, target: InputSection
) -> _Row | None:
    """A reference to a part of a dropped group: cleared in tables, an error elsewhere."""
    _clear(context, section, relocation)
    if _is_debugging(section):
        return None
    if section.name not in _QUIET:
        name = section.file.symbols[relocation.symbol].name or target.name
        place, line = context.where(section, relocation.offset)
        text = (
            f"`{name}' referenced in section `{section.name}' is defined in discarded section `{target.name}'"
        )
        context.say("error", text, place, line=line)
    return _Row(section.offset + relocation.offset, 0, None, 0)


def _is_debugging(section: InputSection) -> bool:
    return not section.flags & elf.SHF_ALLOC and is_debugging(section.name)


def _width(context: Context, kind: int) -> int:
    return (PLAIN_64 if context.is64 else PLAIN_32).get(kind, (4, False, 0))[0]


def _add_to_field(context: Context, section: InputSection, relocation: Relocation, distance: int) -> None:
    if not distance:
        return
    width = _width(context, relocation.type)
    data = writable(section)
    field_at = slice(relocation.offset, relocation.offset + width)
    value = int.from_bytes(data[field_at], "little") + distance
    data[field_at] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")


def _clear(context: Context, section: InputSection, relocation: Relocation) -> None:
    width = _width(context, relocation.type)
    writable(section)[relocation.offset : relocation.offset + width] = bytes(width)


def _symbol_index(made: _Object, target: _Target) -> int:
    if target is None:
        return 0
    if isinstance(target, Entry):
        return made.globals.get(target, 0)
    if isinstance(target, OutputSection):
        return made.sections[target]
    return made.locals.get(target, 0)


# ---- groups ---------------------------------------------------------------------------------------------------------


def _fill_groups(made: _Object) -> None:
    """A group's flags and the numbers of its members; sh_info is its name's symbol."""
    for output in made.context.headers:
        if output.type != elf.SHT_GROUP:
            continue
        section = output.inputs[0]
        group = next(g for g in section.file.group_sections if g.number == section.number)
        numbers = [group.flags]
        for member in group.members:
            part = section.file.sections[member]
            if part is not None and part.output is not None:
                numbers.append(part.output.number)
            owner = next((s for s in section.file.content() if s.relocations_at == member), None)
            if owner is not None and owner.output is not None and owner.output in made.tables:
                numbers.append(made.tables[owner.output])
        section.data = b"".join(number.to_bytes(4, "little") for number in numbers)
        output.info = _symbol_index(made, _signature(section.file, group.symbol))


def _signature(file: InputFile, number: int) -> _Target:
    """The symbol that names a group."""
    if number >= file.first_global:
        return file.entries[number - file.first_global]
    symbol = file.symbols[number]
    target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
    return target.output if symbol.type == elf.STT_SECTION and target is not None else (file, number)


# ---- the file -------------------------------------------------------------------------------------------------------


class _Writer:
    """Contents, symbols, relocations, names and headers, one behind the other."""

    def __init__(self, made: _Object) -> None:
        self.made, self.context = made, made.context
        self.is64 = made.context.is64
        self.header = elf.EHDR64 if self.is64 else elf.EHDR32
        self.body = bytearray(self.header.size)
        self.headers: dict[int, tuple[int, ...]] = {0: (0,) * 10}
        self.names = StringTable()

    def file(self) -> bytes:
        made, context, word = self.made, self.context, self.context.word
        table, count = ".rela" if self.is64 else ".rel", len(context.headers) + len(made.tables)
        for name in (".symtab", ".strtab", ".shstrtab"):
            self.names.add(name.encode())
        for output in context.headers:
            self.names.add(_encoded(output.name))
            if output in made.tables:
                self.names.add(_encoded(table + output.name))
        names = self.names.finish()
        self._contents(count + 1)
        strings = StringTable()
        for row in made.rows:
            strings.add(row.name)
        text = strings.finish()
        symbols = pack_symbols(made.rows, strings, self.is64)
        size = (elf.SYM64 if self.is64 else elf.SYM32).size
        at = self._append(symbols, word)
        self._head(
            count + 1,
            ".symtab",
            elf.SHT_SYMTAB,
            0,
            at,
            len(symbols),
            count + 2,
            made.local_count + 1,
            word,
            size,
        )
        at = self._append(text, 1)
        self._head(count + 2, ".strtab", elf.SHT_STRTAB, 0, at, len(text), 0, 0, 1, 0)
        for output in sorted(made.tables, key=lambda output: output.number):
            self._relocations(output, table, count + 1)
        at = self._append(names, 1)
        self._head(count + 3, ".shstrtab", elf.SHT_STRTAB, 0, at, len(names), 0, 0, 1, 0)
        return self._finish(count + 4)

    def _append(self, data: bytes, alignment: int) -> int:
        self.body += bytes(-len(self.body) % alignment)
        at = len(self.body)
        self.body += data
        return at

    def _head(
        self,
        number: int,
        name: str,
        kind: int,
        flags: int,
        at: int,
        size: int,
        link: int,
        info: int,
        alignment: int,
        entry: int,
    ) -> None:
        place = self.names.offsets[_encoded(name)]
        self.headers[number] = (place, kind, flags, 0, at, size, link, info, alignment, entry)

    def _contents(self, symbols: int) -> None:
        offset = len(self.body)
        ordered = sorted(self.context.headers, key=lambda output: output.number)
        for output in ordered:
            offset = -(-offset // output.alignment) * output.alignment
            output.file_offset = offset
            offset += output.size if output.type != elf.SHT_NOBITS else 0
            link = symbols if output.type == elf.SHT_GROUP else 0
            self._head(
                output.number, output.name, output.type, output.flags, output.file_offset, output.size, link, output.info,
                output.alignment, output.entry_size,
            )  # fmt: skip
        self.body += bytes(offset - len(self.body))
        linked.fill_contents(self.context, self.body)

    def _relocations(self, output: OutputSection, table: str, symbols: int) -> None:
        row, shift = self._row_format()
        parts = []
        for offset, kind, target, addend in self.made.relocations[output]:
            info = _symbol_index(self.made, target) << shift | kind
            parts.append(row.pack(offset, info, addend) if self.is64 else row.pack(offset, info))
        data = b"".join(parts)
        at = self._append(data, self.context.word)
        kind = elf.SHT_RELA if self.is64 else elf.SHT_REL
        flags = elf.SHF_INFO_LINK | (output.flags & elf.SHF_GROUP)
        self._head(
            self.made.tables[output], table + output.name, kind, flags, at, len(data), symbols, output.number, self.context.word,
            row.size,
        )  # fmt: skip

    def _row_format(self) -> tuple[Struct, int]:
        return (elf.RELA64, 32) if self.is64 else (elf.REL32, 8)

    def _finish(self, count: int) -> bytes:
        self.body += bytes(-len(self.body) % self.context.word)
        at = len(self.body)
        pack = (elf.SHDR64 if self.is64 else elf.SHDR32).pack
        self.body += b"".join(pack(*self.headers[number]) for number in range(count))
        rows = self.made.rows
        osabi = elf.ELFOSABI_GNU if linked.uses_gnu(rows) or self._retains() else elf.ELFOSABI_SYSV
        ident = elf.ELF_MAGIC + bytes((2 if self.is64 else 1, 1, 1, osabi)) + bytes(8)
        size = (elf.SHDR64 if self.is64 else elf.SHDR32).size
        entry = _entry(self.context) & ((1 << 8 * self.context.word) - 1)
        fields = (
            elf.ET_REL,
            self.context.machine,
            1,
            entry,
            0,
            at,
            0,
            self.header.size,
            0,
            0,
            size,
            count,
            count - 1,
        )
        self.header.pack_into(self.body, 0, ident, *fields)
        return bytes(self.body)

    def _retains(self) -> bool:
        return any(
            s.flags & elf.SHF_GNU_RETAIN and s.output is not None and s.file.osabi == elf.ELFOSABI_GNU
            for file in self.context.files
            for s in file.content()
        )


def _entry(context: Context) -> int:
    """Where -e says that it starts, within its section; else `start', if there is one (ld's ``lang_end``)."""
    name = context.options.entry
    found = context.names.get(name or "start")
    row = _global_row(context, found) if found is not None and found.is_defined else None
    if row is not None:
        return row.value
    number = context.options.entry_number
    if name and number is None:
        text = f"cannot find entry symbol {name}; not setting start address"
        context.say("warning", text, context.files[0].name, ld_message=f"warning: {text}")
    return number or 0


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
