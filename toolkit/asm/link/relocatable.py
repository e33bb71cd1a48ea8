"""-r: several objects become one, with relocations, groups and commons as they are, to be linked later.

The sections keep their names and stand in the order of ld's script for -r (``ld -r --verbose``), which names each alone; members
of groups share no output section.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.asm.link import ehframe, inputs, layout, notes, resolve, script, segments
from toolkit.asm.link.assign import combine
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import InputFile, InputSection, OutputSection
from toolkit.asm.link.orphans import Orphans
from toolkit.asm.link.relocatable_output import write

if TYPE_CHECKING:
    from toolkit.asm.link import LinkInput

_NAMES = [
    ".interp",
    ".note.gnu.build-id",
    ".hash",
    ".gnu.hash",
    ".dynsym",
    ".dynstr",
    ".gnu.version",
    ".gnu.version_d",
    ".gnu.version_r",
    ".relr.dyn",
    ".init",
    ".plt",
    ".plt.got",
    ".plt.sec",
    ".text",
    ".fini",
    ".rodata",
    ".rodata1",
    ".eh_frame_hdr",
    ".eh_frame",
    ".sframe",
    ".gcc_except_table",
    ".gnu_extab",
    ".exception_ranges",
    ".eh_frame",
    ".sframe",
    ".gnu_extab",
    ".gcc_except_table",
    ".exception_ranges",
    ".tdata",
    ".tbss",
    ".jcr",
    ".dynamic",
    ".got",
    ".got.plt",
    ".data",
    ".data1",
    ".bss",
    ".lbss",
    ".lrodata",
    ".ldata",
]
_NAMES += [name for name in script.NAMES if name in script.AT_ZERO]
_LARGE = (".lbss", ".lrodata", ".ldata")
_TEXT = (".text", ".stub", ".gnu.warning")
_TWICE = (".eh_frame", ".sframe", ".gnu_extab", ".gcc_except_table", ".exception_ranges")


def link_relocatable(context: Context, objects: Sequence[LinkInput]) -> bytes | None:
    """The combined object; None where something was said against it."""
    _refuse_options(context)
    if not context.failed:
        inputs.read_inputs(context, objects)
    if context.failed or not context.files:
        return None
    for library in context.libraries:
        text = f"attempted static link of dynamic object `{library.name}'"
        context.say(
            "error",
            text,
            library.name,
            help="a shared library can't become a part of an object",
            ld_message=text,
        )
    resolve.report_duplicates(context)
    resolve.report_required(context)
    notes.merge_properties(context)
    _make_groups(context)
    _make_stack_note(context)
    _assign(context)
    ehframe.edit_frames(context)
    _align_threads(context)
    for output in context.headers:
        layout.place_in(output)
    ehframe.link_frames(context)
    _mark_stack(context)
    segments.warn_about_stack(context)
    if context.failed:
        return None
    data = write(context)
    return None if context.failed else data


def _refuse_options(context: Context) -> None:
    options = context.options
    if options.kind != "static":
        text = f"-r and -{options.kind} may not be used together"
        context.say("error", text, "ld", ld_message=text)
    for given, name in (
        (options.strip == "all", "-s"),
        (options.gc_sections, "--gc-sections"),
        (options.build_id is not None, "--build-id"),
        (bool(options.addresses), "an address of a section"),
        (bool(options.defined), "--defsym"),
    ):
        if given:
            context.say("error", f"{name} is not supported with -r: leave it to the last link", "ld")


def _align_threads(context: Context) -> None:
    """The first thread-local section is aligned as the most of those that stand together (``_bfd_elf_tls_setup``)."""
    first = next((o for o in context.headers if o.flags & elf.SHF_TLS), None)
    if first is not None:
        rest = context.headers[context.headers.index(first) :]
        run = takewhile(lambda output: output.flags & elf.SHF_TLS, rest)
        first.alignment = max(output.alignment for output in run)


def _make_stack_note(context: Context) -> None:
    """-z execstack and noexecstack are told to the last link by a section, as there are no segments."""
    first, asked = context.files[0], context.options.execstack
    if asked is None or any(section.name == ".note.GNU-stack" for section in first.content()):
        return
    flags = elf.SHF_EXECINSTR if asked else 0
    number = len(first.sections)
    first.sections.append(
        InputSection(first, number, ".note.GNU-stack", elf.SHT_PROGBITS, flags, 1, 0, 0, b"")
    )


def _mark_stack(context: Context) -> None:
    """An executable stack that some file asks for, if only by having no note, is asked for by the object."""
    found = [s for file in context.files for s in file.content() if s.name == ".note.GNU-stack"]
    asked = [section for section in found if section.flags & elf.SHF_EXECINSTR]
    note = asked[0] if asked else found[-1] if found else None
    flags = segments.stack_flags(context) if context.options.execstack is None else None
    if note is not None and note.output is not None and (flags or 0) & elf.PF_X:
        note.output.flags |= elf.SHF_EXECINSTR


def _make_groups(context: Context) -> None:
    """SHT_GROUP sections as inputs of their own; what they hold is written when the sections are numbered."""
    for file in context.files:
        for group in file.group_sections:
            members = sum(_is_listed(context, file, number) for number in group.members)
            section = InputSection(
                file, group.number, group.name, elf.SHT_GROUP, 0, 4, 4, 4 + 4 * members, b""
            )
            section.kept = members > 0
            file.sections[group.number] = section


def _is_listed(context: Context, file: InputFile, number: int) -> bool:
    """Whether a member of a group will be in the output: a section, or the relocations of one."""
    section = file.sections[number]
    if section is None:
        section = next((s for s in file.content() if s.relocations_at == number and s.relocations), None)
    return section is not None and _is_wanted(context, section)


def _is_wanted(context: Context, section: InputSection) -> bool:
    is_debugging = not section.flags & elf.SHF_ALLOC and script.is_debugging(section.name)
    return section.kept and not (context.options.strip and is_debugging)


def _wanted(context: Context) -> Iterator[tuple[InputSection, bool]]:
    """Every section that goes into the output, and whether it belongs to a group."""
    for file in context.files:
        grouped = {number for group in file.group_sections for number in (group.number, *group.members)}
        for section in file.content():
            if _is_wanted(context, section):
                yield section, section.number in grouped


def _assign(context: Context) -> None:
    numbers = _numbers(context)
    placed: dict[str, OutputSection] = {}
    orphans: list[tuple[InputSection, bool]] = []
    for section, alone in _wanted(context):
        name = ".text" if section.name in _TEXT else section.name
        name = ".gnu_extab" if name.startswith(".gnu_extab") else name
        if alone or name not in numbers:
            orphans.append((section, alone))
            continue
        output = placed.get(name)
        if output is None:
            output = placed[name] = context.by_name[name] = OutputSection(name, (numbers[name], 0))
        output.inputs.append(section)
    for output in placed.values():
        output.inputs.sort(key=lambda section: section.name == ".gnu.warning")
        combine(context, output)
    known = sorted(placed.values(), key=lambda output: output.position)
    statements = ((number, name) for number, name in enumerate(_NAMES) if numbers.get(name) == number)
    places = Orphans(context, known, statements, [section for section, _ in orphans])
    for section, alone in orphans:
        output = places.place(section, (), alone=alone)
        output.inputs.append(section)
        section.output = output
    for output in places.sections:
        _complete(context, output)
    places.number()
    context.made = context.headers = places.sections
    context.outputs = sorted(places.sections, key=lambda output: output.position)


def _numbers(context: Context) -> dict[str, int]:
    """The statement of each name: of two, the second where some input is writable."""
    written = {s.name for s, _ in _wanted(context) if s.flags & elf.SHF_WRITE}
    found: dict[str, int] = {}
    for number, name in enumerate(_NAMES):
        if (context.is64 or name not in _LARGE) and (
            name not in found or (name in _TWICE and name in written)
        ):
            found[name] = number
    return found


def _complete(context: Context, output: OutputSection) -> None:
    """What is the section's own, besides what its inputs have in common."""
    context.by_name.setdefault(output.name, output)
    first = output.inputs[0]
    combine(context, output)
    output.flags |= first.flags & (elf.SHF_MASKOS | elf.SHF_MASKPROC)
    if first.type == elf.SHT_GROUP:
        output.type, output.entry_size = elf.SHT_GROUP, 4
    elif any(first.number in group.members for group in first.file.group_sections):
        output.flags |= elf.SHF_GROUP
