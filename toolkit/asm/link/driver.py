"""The order of the linker's passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.asm.linetable import LineTable, Row
from toolkit.asm.link import (
    assign,
    boundaries,
    collect,
    defined,
    ehframe,
    inputs,
    layout,
    merge,
    notes,
    output,
    relocate,
    resolve,
    segments,
    sharedlib,
    symbol_warnings,
    tables,
)
from toolkit.asm.link.context import Context, LinkOptions
from toolkit.asm.link.model import DEFINED, InputSection
from toolkit.asm.link.relocatable import link_relocatable
from toolkit.asm.link.special import Special

if TYPE_CHECKING:
    from toolkit.asm.link import Linked, LinkInput


def run(objects: Sequence[LinkInput], options: LinkOptions) -> Linked:
    """Link, or say why not."""
    context = Context(options)
    data = link_relocatable(context, objects) if options.relocatable else _link(context, objects)
    return _result(context, None if context.failed else data)


def _result(context: Context, data: bytes | None) -> Linked:
    from toolkit.asm.link import Linked

    if data is None:
        return Linked(None, LineTable(), {}, tuple(context.diagnostics))
    return Linked(data, _lines(context), _symbols(context), tuple(context.diagnostics))


def _link(context: Context, objects: Sequence[LinkInput]) -> bytes | None:
    if context.options.script is not None:
        context.say(
            "error",
            "linker scripts (-T) are not supported: the program is laid out by ld's default script",
            context.options.script,
            help="use -Ttext, -Tdata, -Tbss and -e to choose addresses and the entry",
        )
    defined.declare(context)
    inputs.read_inputs(context, objects)
    if context.failed:
        return None
    if not context.files:
        context.say("error", "no input files", "ld", ld_message="no input files")
        return None
    symbol_warnings.warn_about_symbols(context)
    resolve.report_duplicates(context)
    resolve.report_required(context)
    boundaries.define(context)
    sharedlib.report_undefined(context)
    resolve.allocate_commons(context)
    notes.merge_properties(context)
    if context.options.gc_sections:
        collect.collect_sections(context)
    sharedlib.report_hidden(context)
    build_id = _make_build_id(context)
    needs = tables.make(context)
    header = ehframe.make_header(context) if context.options.eh_frame_hdr else None
    if header is not None:
        entry = context.names.entry("__GNU_EH_FRAME_HDR")
        entry.state, entry.section, entry.local = DEFINED, header, True
    if context.linker_file is not None:
        context.files.insert(1, context.linker_file)
    assign.assign_sections(context)
    _edit_contents(context)
    if header is not None:
        ehframe.size_header(context, header)
    layout.place_inputs(context)
    chosen, offset = _lay_out(context)
    if not _fits_address_space(context):
        return None
    start = _entry_address(context, needs)
    if offset > output.MAX_IMAGE:
        context.say("error", f"the program would be {offset:,} bytes long", context.files[0].name)
        return None
    image = bytearray(offset)
    ehframe.link_frames(context)
    output.fill_contents(context, image)
    if needs is not None:
        needs.finish_headers()
        needs.fill(image)
    relocate.apply(context, image, needs)
    relocate.reverse_starts(context, image)
    if header is not None:
        ehframe.fill_header(context, image, header)
    segments.warn_about_stack(context)
    segments.warn_about_permissions(context, chosen)
    if context.failed:
        return None
    data = output.write(context, chosen, offset, start, image)
    return _with_build_id(context, data, build_id) if build_id is not None else data


def _fits_address_space(context: Context) -> bool:
    """Whether every section ends where a program may have memory; complains otherwise."""
    limit = 1 << (47 if context.is64 else 32)
    too_high = next((o for o in context.outputs if o.address + o.size > limit), None)
    if too_high is None:
        return True
    context.say(
        "error",
        f"section {too_high.name} would end at {too_high.address + too_high.size:#x}, beyond the address space",
        context.files[0].name,
    )
    return False


def _make_build_id(context: Context) -> InputSection | None:
    kind = context.options.build_id
    if kind is None:
        return None
    note = assign.created_section(context, ".note.gnu.build-id", elf.SHT_NOTE, elf.SHF_ALLOC, 4)
    note.data = notes.build_id_note(notes.build_id_size(kind))
    note.size = len(note.data)
    return note


def _with_build_id(context: Context, data: bytes, note: InputSection) -> bytes:
    """The file with its identifier, which is a hash of everything else in it."""
    assert note.output is not None
    assert context.options.build_id is not None
    start = note.output.file_offset + note.offset
    at = start + 16
    without = (
        data[:start] + bytes(note.size) + data[start + note.size :]
    )  # BFD hashes before it writes the note
    identifier = notes.build_id(context.options.build_id, output.checksummed(context, without))
    return data[:at] + identifier + data[at + len(identifier) :]


def _edit_contents(context: Context) -> None:
    """Merge strings and constants, and edit .eh_frame; needs the outputs to be known."""
    if any(o.flags & elf.SHF_MERGE or ".rodata" in o.name for o in context.outputs):
        merge.merge_sections(context)
    ehframe.edit_frames(context)


def _lay_out(context: Context) -> tuple[list[segments.Segment], int]:
    """Addresses and file offsets; repeated until the number of program headers is what was reserved for it."""
    header = elf.EHDR64.size if context.is64 else elf.EHDR32.size
    row = elf.PHDR64.size if context.is64 else elf.PHDR32.size
    count = 4
    for _ in range(8):
        size = header + row * count
        layout.place_sections(context, size)
        chosen = segments.map_segments(context, size)
        if len(chosen) == count:
            break
        count = len(chosen)
    context.headers = [section for section in context.made if not section.removed]
    for number, section in enumerate(context.headers, 1):
        section.number = number
        if section.flags & elf.SHF_TLS:
            context.tls = context.tls or section
            alignment = max(o.alignment for o in context.outputs if o.flags & elf.SHF_TLS)
            context.tls_size = (
                -(-(section.address + section.size - context.tls.address) // alignment) * alignment
            )
    layout.ScriptSymbols(context, size).define_all()
    boundaries.place(context)
    defined.evaluate(context)
    return chosen, segments.place_in_file(context, chosen, size)


def _entry_address(context: Context, needs: Special | None) -> int:
    """Where the program starts (ld's ``lang_end``)."""
    name = context.options.entry or "_start"
    found = context.names.get(name)
    if found is not None and found.is_defined:
        address = relocate.entry_address(found)
        address = address if needs is None else needs.target(found, address) or None
        if address is not None:
            return address
    number = context.options.entry_number
    if number is not None:
        return number
    if context.is_shared and not context.options.entry:
        return 0
    context.names.entry(name).referenced = True
    return _default_entry(context, name)


def _default_entry(context: Context, name: str) -> int:
    if context.names.entry(name).state == 0:
        context.names.entry(name).state = 1
    text = context.by_name.get(".text")
    there = text is not None and not text.removed and not context.is_shared
    address = text.address if text is not None and there else 0
    tail = f"defaulting to {address:0{2 * context.word}x}" if address else "not setting start address"
    place, line, help_text = _entry_hint(context, name)
    context.say(
        context.options.missing_entry,
        f"cannot find entry symbol {name}"
        + (f"; {tail}" if context.options.missing_entry == "warning" else ""),
        place,
        line=line,
        help=help_text,
        ld_message=f"warning: cannot find entry symbol {name}; {tail}",
    )
    return address


def _entry_hint(context: Context, name: str) -> tuple[str, int, str]:
    """Where to point when the entry is missing, and what to write: at a label that looks meant for it, if there is one."""
    close = next(iter(resolve.nearest_names(context, name)), None)
    for file in context.files:
        for symbol in file.symbols if close is not None else ():
            section = file.sections[symbol.section] if 0 < symbol.section < len(file.sections) else None
            if symbol.name == close and section is not None:
                place, line = context.where(section, symbol.value)
                if close == name:
                    return place, line, f"the label `{name}' is local to its file: write `global {name}'"
                return place, line, f"did you mean `{close}'? Call it `{name}' and write `global {name}'"
    first = context.files[0]
    rows = first.lines.rows if first.lines is not None else ()
    help_text = "a program starts at `_start': write `global _start' and the label `_start:' in section .text"
    return rows[0].file if rows else first.name, 0, help_text


def _lines(context: Context) -> LineTable:
    rows: list[Row] = []
    for file in context.files:
        if file.lines is None:
            continue
        sections = {
            s.name: s for s in reversed(file.content()) if s.output is not None and not s.output.removed
        }
        for name, offset, length, source, line in file.lines.rows:
            section = sections.get(name)
            if section is not None and section.output is not None and section.output.flags & elf.SHF_ALLOC:
                rows.append(Row("", section.output.address + section.offset + offset, length, source, line))
    rows.sort()
    return LineTable(tuple(rows))


def _symbols(context: Context) -> dict[str, int]:
    """Addresses by name; a global name wins over a local one, the first file's local one over later ones."""
    found: dict[str, int] = {}
    for entry in context.names.entries.values():
        address = relocate.entry_address(entry) if entry.is_defined else None
        if address is not None:
            found[entry.name] = address
    for file in context.files:
        for number in range(1, file.first_global):
            symbol = file.symbols[number]
            if symbol.type > elf.STT_FUNC or not symbol.name or symbol.name in found or not symbol.section:
                continue
            address = relocate.address_of(context, file, number)
            if address is not None:
                found[symbol.name] = address
    return found
