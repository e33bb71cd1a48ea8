"""Which output section every input section goes to, in which order, and what the output section then is."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.abi import elf
from toolkit.asm.link import script
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import InputFile, InputSection, OutputSection
from toolkit.asm.link.orphans import Orphans, script_statements

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

_Member = tuple[int, tuple[int, str], int, InputSection]  # rank, sort key, sequence number


def assign_sections(context: Context) -> None:
    """Fill ``context.outputs``, in the order of memory, with their inputs placed in order, and ``context.made``."""
    members: dict[OutputSection, list[_Member]] = {}
    orphans: list[InputSection] = []
    twins = _writable_twins(context)
    for section, crt in _wanted(context):
        place = script.place_of(section.name, crt)
        if place is None or (place.statement in script.LARGE and not context.is64):
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
        members[output].append((place.rank, key, len(members[output]), section))
    for output, parts in members.items():
        if len(parts) > 1:
            parts.sort(key=_order)
        output.inputs = [part[3] for part in parts]
        combine(context, output)
    _place_orphans(context, list(members), orphans)


def _wanted(context: Context) -> Iterator[tuple[InputSection, int]]:
    """Every section that goes into the output, with its file's place among gcc's start files."""
    no_debug = bool(context.options.strip)
    for file in context.files:
        crt = script.crt_kind(file.name) if "crt" in file.name else script.ORDINARY
        for section in file.sections:
            if section is not None and _is_output(section) and not (no_debug and _is_debugging(section)):
                yield section, crt


def _place_orphans(context: Context, placed: list[OutputSection], orphans: list[InputSection]) -> None:
    if not orphans and not context.options.addresses:
        context.outputs = sorted(placed, key=_position)
        context.made = list(context.outputs)
        return
    statements = script_statements(context.is_shared, context.is64)
    places = Orphans(context, sorted(placed, key=_position), statements, orphans)
    for number, section in enumerate(orphans):
        output = places.place(section, orphans[number + 1 :])
        output.inputs.append(section)
        section.output = output
    for output in {section.output for section in orphans if section.output is not None}:
        combine(context, output)
    places.number()
    for output in places.sections:
        context.by_name.setdefault(output.name, output)
    context.outputs = sorted(places.sections, key=_position)
    context.made = places.sections


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


def combine(context: Context, output: OutputSection) -> None:
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
    if output.name == ".text" and not context.options.relocatable:
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
