"""Which output section every input section goes to, in which order, and what the output section then is."""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link import script
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import InputFile, InputSection, OutputSection

_KEPT_FLAGS = (
    elf.SHF_ALLOC
    | elf.SHF_WRITE
    | elf.SHF_EXECINSTR
    | elf.SHF_TLS
    | elf.SHF_MERGE
    | elf.SHF_STRINGS
    | elf.SHF_GNU_RETAIN
)
_MERGE_FLAGS = elf.SHF_MERGE | elf.SHF_STRINGS
_ARRAY_TYPES = {
    ".init_array": elf.SHT_INIT_ARRAY,
    ".fini_array": elf.SHT_FINI_ARRAY,
    ".preinit_array": elf.SHT_PREINIT_ARRAY,
}
_LARGE = (script.LBSS, script.LRODATA, script.LDATA)
_BEFORE_NOTES, _NOTES, _BEHIND_NOTES = 1, 2, 3

_Member = tuple[int, tuple[int, str], int, InputSection]  # rank, sort key, sequence number


def assign_sections(context: Context) -> None:
    """Fill ``context.outputs``, sorted in output order, with their inputs placed in order."""
    members: dict[OutputSection, list[_Member]] = {}
    orphans: list[InputSection] = []
    sequence = 0
    twins = _writable_twins(context)
    no_debug = bool(context.options.strip)
    for file in context.files:
        crt = script.crt_kind(file.name) if "crt" in file.name else script.ORDINARY
        for section in file.sections:
            if section is None or not _is_output(section) or (no_debug and _is_debugging(section)):
                continue
            place = script.place_of(section.name, crt)
            if place is None or (place.statement in _LARGE and not context.is64):
                orphans.append(section)
                continue
            if context.options.bind_now and place.name in (".got", ".got.plt"):
                place = script.bound_now(place)
            output = context.by_name.get(place.name)
            if output is None:
                statement = twins.get(place.name, place.statement)
                output = context.by_name[place.name] = OutputSection(place.name, (statement, 0))
                members[output] = []
            key = (0, "") if place.sort == script.PLAIN else _sort_key(place.sort, section.name)
            sequence += 1
            members[output].append((place.rank, key, sequence, section))
    for number, section in enumerate(orphans):
        sequence += 1
        output = _orphan_output(context, section, sequence, orphans[number + 1 :])
        members.setdefault(output, []).append((9, (0, ""), sequence, section))
    for output, parts in members.items():
        if len(parts) > 1:
            parts.sort(key=_order)
        output.inputs = [part[3] for part in parts]
        _combine(context, output)
    _order_notes(context, list(members))
    context.outputs = sorted(members, key=_position)


def _order_notes(context: Context, outputs: list[OutputSection]) -> None:
    """Loaded notes that the script does not name stand by falling alignment, around .note.gnu.build-id."""
    build_id = script.NUMBER[".note.gnu.build-id"]
    interpreter = script.NUMBER[".interp"]
    notes = [o for o in outputs if o.type == elf.SHT_NOTE and o.position[0] == build_id]
    orphans = [
        o for o in outputs if o.type == elf.SHT_NOTE and o.position[0] == interpreter and o.position[1]
    ]
    for orphan in sorted(orphans, key=_position):
        larger = [i for i, note in enumerate(notes) if note.alignment >= orphan.alignment]
        notes.insert(larger[-1] + 1 if larger else 0, orphan)
    first = next((i for i, note in enumerate(notes) if note not in orphans), len(notes))
    for index, note in enumerate(notes):
        if note in orphans:
            note.position = (interpreter if index < first else build_id, index + 1)
    _order_notes_of_shared(outputs)


def _order_notes_of_shared(outputs: list[OutputSection]) -> None:
    """The same where the start of the file has no place for them."""
    places = (script.RODATA, script.NUMBER[".exception_ranges"])
    notes = [o for o in outputs if o.type == elf.SHT_NOTE and o.position[0] in places]
    notes.sort(key=_position)
    first = notes[0].position if notes else ()
    for index, note in enumerate(sorted(notes, key=lambda note: -note.alignment)):
        note.position = (*first[:-1], index) if len(first) == 3 else (first[0], first[1] + index)


def _order(member: _Member) -> tuple[int, tuple[int, str], int]:
    return member[:3]


def _position(output: OutputSection) -> tuple[int, ...]:
    return output.position


def _is_output(section: InputSection) -> bool:
    if not section.kept or section.flags & elf.SHF_EXCLUDE:
        return False
    return not script.is_discarded(section.name) and not section.name.startswith(".gnu.warning.")


def _is_debugging(section: InputSection) -> bool:
    return not section.flags & elf.SHF_ALLOC and script.is_debugging(section.name)


def _sort_key(sort: int, name: str) -> tuple[int, str]:
    if sort == script.BY_NAME:
        return (0, name)
    number = script.priority(name)
    return (number if number is not None else 1 << 20, name)


def _writable_twins(context: Context) -> dict[str, int]:
    """Output sections of the ONLY_IF_RO/ONLY_IF_RW pairs whose inputs are not all read-only, with their statement."""
    found: dict[str, int] = {}
    for file in context.files:
        for section in file.sections:
            if section is None or not section.flags & elf.SHF_WRITE or not section.kept:
                continue
            if section.name.startswith((".eh_f", ".gcc_e", ".gnu_e", ".sfr", ".exc")):
                place = script.place_of(section.name)
                twin = script.writable_twin(place.name) if place else None
                if place and twin is not None:
                    found[place.name] = twin
    return found


def _orphan_output(
    context: Context, section: InputSection, sequence: int, later: list[InputSection]
) -> OutputSection:
    name = section.name
    output = context.by_name.get(name)
    if output is not None and _is_alike(output, section):
        return output
    flags = _flags_together(section, later)
    after = script.orphan_place(name, section.type, flags, _lacks_place_for_notes(context))
    output = OutputSection(name, _orphan_position(context, section, after, sequence))
    context.by_name[name] = output
    output.flags, output.type = section.flags, section.type
    return output


def _flags_together(section: InputSection, others: list[InputSection]) -> int:
    """Its flags with those of later orphans of the same name and kind: what any of them asks for decides the place."""
    flags = section.flags
    for other in others:
        alike = other.name == section.name and other.type == section.type
        if alike and not (other.flags ^ flags) & elf.SHF_ALLOC:
            flags |= other.flags & (elf.SHF_WRITE | elf.SHF_EXECINSTR | elf.SHF_TLS)
    return flags


def _orphan_position(
    context: Context, section: InputSection, after: str | None, sequence: int
) -> tuple[int, ...]:
    is_note = section.type == elf.SHT_NOTE
    if after in (".rodata", ".text") and _lacks_place_for_notes(context):
        if ".rodata" not in context.by_name:
            return _beside_notes(context, after, is_note, sequence)
        if is_note:
            return (script.NUMBER[".exception_ranges"], sequence)
    return (script.NUMBER[after] if after else 9999, sequence)


def _beside_notes(context: Context, after: str, is_note: bool, sequence: int) -> tuple[int, ...]:
    """Notes, constants and code without a place of their own: from a second note on, each new kind stands right behind the notes."""
    if is_note:
        return (script.RODATA, _NOTES, sequence)
    outputs = [o for o in context.by_name.values() if o.position[0] == script.RODATA and o.position[1]]
    notes = [o for o in outputs if o.type == elf.SHT_NOTE]
    alike = [o for o in context.by_name.values() if o not in notes and _is_orphan_after(o, after)]
    if len(notes) > 1:
        behind = [o.position for o in alike if o.position[1] == _BEHIND_NOTES and len(o.position) > 2]
        first = behind[-1][2] if behind else -sequence
        constants = any(o.position[1] == _BEFORE_NOTES for o in outputs if o not in notes)
        at_text = after == ".text" and not behind and (alike or constants)
        return (
            (script.NUMBER[after], sequence) if at_text else (script.RODATA, _BEHIND_NOTES, first, sequence)
        )
    if after == ".text":
        return (script.NUMBER[after], sequence)
    before = alike[-1].position[1] == _BEFORE_NOTES if alike else len(notes) == 1
    side = _BEFORE_NOTES if before else _BEHIND_NOTES
    return (script.RODATA, side, alike[-1].position[2] if alike else -sequence, sequence)


def _is_orphan_after(output: OutputSection, after: str) -> bool:
    code = bool(output.flags & elf.SHF_EXECINSTR)
    places = (script.RODATA, script.NUMBER[".text"])
    return output.position[0] in places and bool(output.position[1]) and code == (after == ".text")


def _lacks_place_for_notes(context: Context) -> bool:
    """Whether nothing at the start of the file holds notes: a shared object without a build ID."""
    return context.is_shared and ".note.gnu.build-id" not in context.by_name


def _is_alike(output: OutputSection, section: InputSection) -> bool:
    """Equal in being loaded and allocated."""
    if (output.flags ^ section.flags) & elf.SHF_ALLOC:
        return False
    return (output.type == elf.SHT_NOBITS) == (section.type == elf.SHT_NOBITS)


def _combine(context: Context, output: OutputSection) -> None:
    """Type, flags, alignment and entry size of an output section from its inputs."""
    first = output.inputs[0]
    flags = first.flags & _KEPT_FLAGS
    entry_size = first.entry_size
    merging = flags & _MERGE_FLAGS
    alignment = 1
    loaded = False
    for section in output.inputs:
        section.output = output
        flags |= section.flags & _KEPT_FLAGS & ~elf.SHF_GNU_RETAIN  # which only the first one passes on
        if section.alignment > alignment:
            alignment = section.alignment
        loaded = loaded or section.type != elf.SHT_NOBITS
        if section.flags & _MERGE_FLAGS != merging or section.entry_size != entry_size:
            merging = 0
            entry_size = (
                entry_size if entry_size == section.entry_size and not first.flags & _MERGE_FLAGS else 0
            )
    if output.name == ".text":
        flags &= ~elf.SHF_WRITE  # ld keeps the text read-only, whatever its inputs ask for
    output.flags = flags & ~_MERGE_FLAGS | merging
    output.alignment = alignment
    output.loaded = loaded
    if output.flags & elf.SHF_MERGE or any(section.created for section in output.inputs):
        output.entry_size = entry_size
    if output.flags & elf.SHF_ALLOC and not loaded:
        output.type = elf.SHT_NOBITS
    else:
        kind = _ARRAY_TYPES.get(output.name, first.type)
        output.type = elf.SHT_PROGBITS if kind == elf.SHT_NOBITS else kind
    if output.type in _ARRAY_TYPES.values():
        output.entry_size = context.word


def created_section(
    context: Context, name: str, kind: int, flags: int, alignment: int, entry: int = 0
) -> InputSection:
    """A section made by the linker itself, in a file of its own that comes first."""
    if context.linker_file is None:
        context.linker_file = InputFile("linker stubs", context.machine, context.is64)
    file = context.linker_file
    section = InputSection(file, len(file.sections), name, kind, flags, alignment, entry, 0, b"")
    section.created = True
    file.sections.append(section)
    return section
