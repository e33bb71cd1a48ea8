"""Program headers and file offsets: BFD's ``map_sections_to_segments`` and ``assign_file_positions`` (elf.c)."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.layout import PAGE
from toolkit.asm.link.model import OutputSection


@dataclass(eq=False, slots=True)
class Segment:
    """A program header in the making."""

    type: int
    flags: int = 0
    sections: list[OutputSection] = field(default_factory=list)
    headers: bool = False  # holds the ELF and program headers
    offset: int = 0
    address: int = 0
    file_size: int = 0
    memory_size: int = 0
    alignment: int = 0


def is_tbss(output: OutputSection) -> bool:
    return bool(output.flags & elf.SHF_TLS) and output.type == elf.SHT_NOBITS


def map_segments(context: Context, header_size: int) -> list[Segment]:
    """The segments in program-header order, without offsets."""
    loaded = [output for output in context.outputs if output.flags & elf.SHF_ALLOC]
    if context.options.addresses:  # the order in memory need not be the script's
        loaded.sort(key=lambda output: output.address)
    segments: list[Segment] = []
    by_name = {output.name: output for output in loaded}
    interpreter = by_name.get(".interp")
    if interpreter is not None:
        segments.append(Segment(elf.PT_PHDR, elf.PF_R, alignment=context.word))
        segments.append(Segment(elf.PT_INTERP, elf.PF_R, [interpreter], alignment=interpreter.alignment))
    segments += _load_segments(loaded, header_size)
    if (dynamic := by_name.get(".dynamic")) is not None:
        flags = elf.PF_R | (elf.PF_W if dynamic.flags & elf.SHF_WRITE else 0)
        segments.append(Segment(elf.PT_DYNAMIC, flags, [dynamic], alignment=dynamic.alignment))
    segments += _note_segments(loaded)
    tls = [output for output in loaded if output.flags & elf.SHF_TLS]
    if tls:
        alignment = max(output.alignment for output in tls)
        segments.append(Segment(elf.PT_TLS, elf.PF_R, tls, alignment=alignment))
    if (note := by_name.get(".note.gnu.property")) is not None and note.type == elf.SHT_NOTE:
        segments.append(Segment(elf.PT_GNU_PROPERTY, elf.PF_R, [note], alignment=note.alignment))
    if (frames := by_name.get(".eh_frame_hdr")) is not None and context.options.eh_frame_hdr:
        segments.append(Segment(elf.PT_GNU_EH_FRAME, elf.PF_R, [frames], alignment=frames.alignment))
    stack = stack_flags(context)
    if stack is not None:
        size = context.options.stack_size or 0
        segments.append(Segment(elf.PT_GNU_STACK, stack, memory_size=size, alignment=16))
    if context.relro_end > context.relro_start and _has_relro_contents(context, segments):
        segments.append(Segment(elf.PT_GNU_RELRO, elf.PF_R, alignment=1))
    return segments


def _has_relro_contents(context: Context, segments: list[Segment]) -> bool:
    for segment in segments:
        if segment.type == elf.PT_LOAD and segment.sections:
            inside = context.relro_start <= segment.sections[0].address < context.relro_end
            if inside and any(output.type != elf.SHT_NOBITS for output in segment.sections):
                return True
    return False


def _load_segments(loaded: list[OutputSection], header_size: int) -> list[Segment]:
    segments: list[Segment] = []
    if not loaded:
        return segments
    first = loaded[0]
    room = first.address % PAGE
    fits = first.address >= header_size and (room >= header_size % PAGE or room == 0)
    current = Segment(elf.PT_LOAD, elf.PF_R, headers=fits, alignment=PAGE)
    if fits and first.flags & elf.SHF_EXECINSTR:  # -z separate-code
        segments.append(current)
        current = Segment(elf.PT_LOAD, elf.PF_R, alignment=PAGE)
    last: OutputSection | None = None
    for output in loaded:
        if last is not None and _starts_segment(current, last, output):
            segments.append(current)
            current = Segment(elf.PT_LOAD, elf.PF_R, alignment=PAGE)
        current.sections.append(output)
        if output.flags & elf.SHF_WRITE:
            current.flags |= elf.PF_W
        if output.flags & elf.SHF_EXECINSTR:
            current.flags |= elf.PF_X
        last = output
    if not (len(current.sections) == 1 and is_tbss(current.sections[0])):
        segments.append(current)
    return segments


def _starts_segment(current: Segment, last: OutputSection, output: OutputSection) -> bool:
    last_end = last.address + (0 if is_tbss(last) else last.size)
    if output.address < last_end:
        return True
    if (last_end - 1) & -PAGE == output.address & -PAGE:
        return False
    if ((last_end + PAGE - 1) & -PAGE) + PAGE <= output.address:
        return True
    last_unloaded = last.type == elf.SHT_NOBITS and not last.flags & elf.SHF_TLS
    now_unloaded = output.type == elf.SHT_NOBITS and not output.flags & elf.SHF_TLS
    if last_unloaded and not now_unloaded:
        return True
    if bool(current.flags & elf.PF_X) != bool(output.flags & elf.SHF_EXECINSTR):
        return True
    return not current.flags & elf.PF_W and bool(output.flags & elf.SHF_WRITE)


def _note_segments(loaded: list[OutputSection]) -> list[Segment]:
    """Neighbouring notes of one alignment share a segment."""
    segments: list[Segment] = []
    last: OutputSection | None = None
    for output in loaded:
        if output.type != elf.SHT_NOTE:
            last = None
            continue
        joins = (
            last is not None
            and last.alignment == output.alignment
            and output.alignment in (4, 8)
            and (last.address + last.size + output.alignment - 1) & -output.alignment == output.address
        )
        if not joins:
            segments.append(Segment(elf.PT_NOTE, elf.PF_R, alignment=output.alignment))
        segments[-1].sections.append(output)
        if output.flags & elf.SHF_WRITE:
            segments[-1].flags |= elf.PF_W
        last = output
    return segments


def stack_flags(context: Context) -> int | None:
    """PF_* of PT_GNU_STACK; None: no such header (elflink.c, ``bfd_elf_size_dynamic_sections``)."""
    if context.options.execstack is not None:
        return elf.PF_R | elf.PF_W | (elf.PF_X if context.options.execstack else 0)
    found = False
    for file in context.files:
        if file is context.linker_file or not any(file.sections):
            continue
        note = next((s for s in file.sections if s is not None and s.name == ".note.GNU-stack"), None)
        if note is not None:
            found = True
            if note.flags & elf.SHF_EXECINSTR:
                return elf.PF_R | elf.PF_W | elf.PF_X
    if not found and not context.options.stack_size:
        return None
    executable = any(_lacks_stack_note(context, file) for file in context.files)
    return elf.PF_R | elf.PF_W | (elf.PF_X if executable else 0)


def _lacks_stack_note(context: Context, file: object) -> bool:
    from toolkit.asm.link.model import InputFile

    assert isinstance(file, InputFile)
    if file is context.linker_file or not any(file.sections):
        return False
    return not any(s is not None and s.name == ".note.GNU-stack" for s in file.sections)


def warn_about_stack(context: Context) -> None:
    """ld's warnings when an executable stack is asked for by a note, or implied by a missing one."""
    if context.options.execstack is not None or not context.options.warn_stack:
        return
    files = [f for f in context.files if f is not context.linker_file and any(f.sections)]
    notes = [s for f in files for s in f.sections if s is not None and s.name == ".note.GNU-stack"]
    if not notes and not context.options.stack_size:
        return
    for file in files:
        note = next((s for s in file.sections if s is not None and s.name == ".note.GNU-stack"), None)
        if note is not None and note.flags & elf.SHF_EXECINSTR:
            context.say(
                "warning",
                "requires executable stack (because the .note.GNU-stack section is executable)",
                file.name,
                ld_message=f"warning: {file.name}: requires executable stack (because the .note.GNU-stack section "
                "is executable)",
            )
            return
    missing = [file for file in files if _lacks_stack_note(context, file)]
    if missing:
        context.say(
            "warning",
            "missing .note.GNU-stack section implies executable stack",
            missing[-1].name,
            help="add `section .note.GNU-stack noalloc noexec nowrite progbits' to the source",
            ld_message=f"warning: {missing[-1].name}: missing .note.GNU-stack section implies executable stack",
        )


def warn_about_permissions(context: Context, segments: list[Segment]) -> None:
    """ld's warning about memory that is both writable and executable."""
    everything = elf.PF_R | elf.PF_W | elf.PF_X
    if context.options.warn_permissions and any(
        s.type == elf.PT_LOAD and s.flags == everything for s in segments
    ):
        context.say(
            "warning",
            "the program has a LOAD segment with RWX permissions",
            context.files[0].name,
            help="keep code and writable data in different sections, so that they do not share a page",
            ld_message="warning: a.out has a LOAD segment with RWX permissions",
        )


def place_in_file(context: Context, segments: list[Segment], header_size: int) -> int:
    """Set offsets and sizes of segments and loaded sections; the offset where the rest of the file starts."""
    offset = header_size
    loads = [segment for segment in segments if segment.type == elf.PT_LOAD]
    for index, segment in enumerate(loads):
        if segment.headers and not segment.sections:
            following = loads[index + 1].sections[0] if index + 1 < len(loads) else None
            top = following.address & -PAGE if following else 0x401000
            segment.address = top - ((header_size + PAGE - 1) & -PAGE)
            segment.file_size = segment.memory_size = header_size
        else:
            offset = _place_load(segment, offset, header_size)
    placed = {output for segment in loads for output in segment.sections}
    for output in context.outputs:
        if output.flags & elf.SHF_ALLOC and output not in placed:  # a .tbss alone
            output.file_offset = offset + (output.address - offset) % output.alignment
    for segment in segments:
        if segment.type not in (elf.PT_LOAD, elf.PT_GNU_STACK):
            _place_other(context, segment, loads, header_size)
    for output in context.headers:
        if not output.flags & elf.SHF_ALLOC:
            if output.type != elf.SHT_NOBITS:
                offset = (offset + output.alignment - 1) & -output.alignment
            output.file_offset = offset
            offset += output.size if output.type != elf.SHT_NOBITS else 0
    return offset


def _place_load(segment: Segment, offset: int, header_size: int) -> int:
    sections = segment.sections
    first = sections[0]
    alignment = max(PAGE, *(output.alignment for output in sections))
    segment.alignment = alignment
    if segment.headers:
        segment.address = (first.address - header_size) & -alignment
        segment.offset = 0
        segment.file_size = segment.memory_size = header_size
        adjusted = 0
    else:
        adjusted = (first.address - offset) % alignment
        segment.address = first.address
        offset += adjusted
        segment.offset = offset
    empty = all(output.type == elf.SHT_NOBITS for output in sections)
    if empty and not segment.headers:
        segment.offset = offset % alignment
    given_back = adjusted if empty and not segment.headers else 0
    for number, output in enumerate(sections):
        nobits = output.type == elf.SHT_NOBITS
        if not is_tbss(output):
            gap = output.address - (segment.address + segment.memory_size)
            segment.memory_size += gap
            if not nobits:
                gap = segment.memory_size - segment.file_size
                segment.file_size += gap
            if not nobits or number == 0:
                offset += gap
                given_back = given_back + gap if nobits else 0
            segment.memory_size += output.size
        leads = segment.headers and segment.file_size == header_size and is_tbss(output)
        output.file_offset = output.address - segment.address if leads else offset
        if not nobits:
            offset += output.size
            segment.file_size += output.size
    return offset - given_back


def _place_other(context: Context, segment: Segment, loads: list[Segment], header_size: int) -> None:
    if segment.type == elf.PT_PHDR:
        segment.offset = 64 if context.is64 else 52
        segment.address = loads[0].address + segment.offset
        segment.file_size = segment.memory_size = header_size - segment.offset
        return
    if segment.type == elf.PT_GNU_RELRO:
        _place_relro(context, segment, loads)
        return
    first = segment.sections[0]
    segment.offset, segment.address = first.file_offset, first.address
    for output in segment.sections:
        if output.type != elf.SHT_NOBITS:
            segment.file_size = output.file_offset + output.size - segment.offset
        gap = output.address - segment.address - segment.memory_size
        segment.memory_size += max(gap, 0) + output.size  # two .tbss may have one address


def _place_relro(context: Context, segment: Segment, loads: list[Segment]) -> None:
    for load in loads:
        for output in load.sections:
            if context.relro_start <= output.address < context.relro_end:
                segment.offset, segment.address = output.file_offset, output.address
                segment.memory_size = context.relro_end - output.address
                segment.file_size = min(load.offset + load.file_size - segment.offset, segment.memory_size)
                return
