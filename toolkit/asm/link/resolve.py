"""Symbol resolution: which definition each global name gets, which archive members come in, where commons live.

The rules are those of the System V ABI, chapter 4, as BFD applies them (linker.c ``link_action``, elflink.c).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from toolkit.abi import elf
from toolkit.asm.diagnostics import Span
from toolkit.asm.link.context import Context
from toolkit.asm.link.elfread import MalformedError, is_elf, read_archive, read_object
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


def add_object(context: Context, file: InputFile) -> None:
    """Enter a file's sections and global symbols."""
    if file.machine != context.machine:
        names = {elf.EM_386: "i386", elf.EM_X86_64: "i386:x86-64"}
        context.say(
            "error",
            f"{names[file.machine]} architecture of input file `{file.name}' is incompatible with "
            f"{names[context.machine]} output",
            file.name,
            help="assemble every file for the same format (all elf64, or all elf32 with -m elf_i386)",
        )
        return
    if context.needs_dynamic:
        context.identifiers.make_dynamic(context)
    context.files.append(file)
    context.inputs.append(file)
    _discard_groups(context, file)
    entries = context.names.entries
    add = file.entries.append
    wrapped = context.options.wrapped
    for symbol in file.symbols[file.first_global :]:
        name = symbol.name
        if wrapped and symbol.section == elf.SHN_UNDEF:
            name = wrapped_name(name, wrapped)
        entry = entries.get(name)
        if entry is None:
            entry = entries[name] = Entry(name)
        add(entry)
        _merge(context, file, entry, symbol)


def wrapped_name(name: str, wrapped: Sequence[str]) -> str:
    """What a reference to ``name`` means under --wrap."""
    if name in wrapped:
        return f"__wrap_{name}"
    real = name.removeprefix("__real_")
    return real if real != name and real in wrapped else name


def _discard_groups(context: Context, file: InputFile) -> None:
    """Keep the first of each COMDAT group and .gnu.linkonce section."""
    for signature, members in file.groups:
        if signature in context.discarded_groups:
            for number in members:
                section = file.sections[number] if number < len(file.sections) else None
                if section is not None:
                    section.kept = False
        else:
            context.discarded_groups.add(signature)
    for section in file.sections:
        if section is None:
            continue
        if section.name.startswith(".gnu.linkonce."):
            if section.name in context.discarded_groups:
                section.kept = False
            context.discarded_groups.add(section.name)


def _merge(context: Context, file: InputFile, entry: Entry, symbol: InputSymbol) -> None:
    section_number = symbol.section
    entry.referenced = True
    section: InputSection | None = None
    if section_number and section_number < len(file.sections):
        section = file.sections[section_number]
        if section is None or not section.kept:
            section_number = 0  # a definition in a discarded section is only a reference
    if symbol.other & 3:
        wanted = symbol.other & 3
        entry.visibility = min(entry.visibility, wanted) if entry.visibility else wanted
    if section_number == elf.SHN_UNDEF:
        _refer(entry, file, symbol)
    elif section_number == elf.SHN_COMMON:
        _common(context, entry, file, symbol)
    else:
        _define(context, entry, file, symbol, section)


def _refer(entry: Entry, file: InputFile, symbol: InputSymbol) -> None:
    weak = symbol.binding == elf.STB_WEAK
    entry.strongly = entry.strongly or not weak
    if entry.state == NEW:
        entry.state = UNDEFINED_WEAK if weak else UNDEFINED
        entry.file = file
    elif entry.state == UNDEFINED_WEAK and not weak:
        entry.state = UNDEFINED
    if symbol.type and not entry.type:
        entry.type = symbol.type


def _common(context: Context, entry: Entry, file: InputFile, symbol: InputSymbol) -> None:
    library = entry.dynamic_definition
    if entry.state == DEFINED and library is not None:
        place = common_place(entry.file, library)
        if place is not None:  # a common that a library has given its place
            entry.state, entry.value, entry.file = COMMON, place.alignment, file
        elif library.type == elf.STT_FUNC:
            entry.state = UNDEFINED
    if entry.state == DEFINED:
        _complete(entry, symbol)
        return
    if entry.state != COMMON or symbol.size > entry.size:
        entry.file = file
        context.identifiers.add_common(file)
    if entry.state != COMMON:
        entry.state, entry.size, entry.value = COMMON, symbol.size, symbol.value
    else:
        entry.size = max(entry.size, symbol.size)
        entry.value = max(entry.value, symbol.value)
    entry.section = None
    entry.dynamic_definition = None
    if symbol.type:
        entry.type = symbol.type


def common_place(file: InputFile | None, symbol: InputSymbol) -> LibraryPlace | None:
    """Where a library has a variable that looks as if it had been common; None if it does not (``_bfd_elf_merge_symbol``)."""
    place = file.places.get(symbol.section) if file is not None else None
    if place is None or not place.empty or not symbol.size or symbol.binding == elf.STB_WEAK:
        return None
    return None if symbol.type == elf.STT_FUNC else place


def _complete(entry: Entry, symbol: InputSymbol) -> None:
    """A definition that does not count still tells a size and type that are not known yet."""
    entry.size = entry.size or symbol.size
    entry.type = entry.type or symbol.type


def _define(
    context: Context, entry: Entry, file: InputFile, symbol: InputSymbol, section: InputSection | None
) -> None:
    weak = symbol.binding == elf.STB_WEAK
    state = entry.state
    replaceable = entry.dynamic_definition is not None
    if state == DEFINED and not weak and not replaceable:
        context.duplicates.append((entry, file, section, symbol.value))
        return
    if weak and state in (DEFINED, DEFINED_WEAK, COMMON) and not replaceable:
        if state == COMMON:
            _complete(entry, symbol)
            entry.protected = (
                symbol.other & 3 == elf.STV_PROTECTED
            )  # BFD asks before it sees that the common stays
        return
    entry.state = DEFINED_WEAK if weak else DEFINED
    entry.section = section
    entry.value = symbol.value
    entry.file = file
    entry.dynamic_definition = None
    entry.protected = symbol.other & 3 == elf.STV_PROTECTED
    entry.unique = symbol.binding == elf.STB_GNU_UNIQUE
    if symbol.type or state != COMMON:
        entry.type = symbol.type or entry.type
    if symbol.size:
        entry.size = symbol.size


class Archive:
    """An archive whose members come in while they define names still undefined (ld's rule)."""

    def __init__(self, name: str, data: bytes, read: Callable[[str], bytes | None] | None = None) -> None:
        """``read`` opens the members of a thin archive. Raises MalformedError."""
        self.name = name
        self.symbols, self.members = read_archive(data, _beside(name, read))
        self.done: set[int] = set()
        self.opened: dict[int, InputFile] = {}
        if not self.symbols and self.members:
            self.symbols = _map_of(name, self.members)

    def add_all(self, context: Context) -> None:
        """Bring in every member (--whole-archive)."""
        for position, (_, body) in self.members.items():
            self.done.add(position)
            if is_elf(body):
                add_object(context, self._open(context, position))

    def open_first(self, context: Context) -> None:
        """Look at the first member, by which ld sees of a library it searched for whether it is for this machine."""
        first = next(iter(self.members), None)
        if first is not None and is_elf(self.members[first][1]):
            self._open(context, first)

    def _open(self, context: Context, position: int) -> InputFile:
        """A member, numbered when it is first opened."""
        file = self.opened.get(position)
        if file is None:
            member, body = self.members[position]
            file = self.opened[position] = read_object(f"{self.name}({member})", body)
            context.identifiers.open(file)
        return file

    def search(self, context: Context) -> bool:
        """Bring in members until none is wanted; whether any came in."""
        found = False
        again = True
        while again:
            again = False
            for symbol, position in self.symbols:
                if position not in self.done and self._is_wanted(context, symbol, position):
                    again = found = True
        return found

    def _is_wanted(self, context: Context, symbol: str, position: int) -> bool:
        entry = context.names.get(symbol)
        if entry is None or entry.state not in (UNDEFINED, COMMON):
            return False
        if position not in self.members:
            raise MalformedError(f"archive's symbol table names a member at {position}, where none is")
        file = self._open(context, position)
        if entry.state == COMMON and not _defines(file, symbol):
            return False
        self.done.add(position)
        add_object(context, file)
        return True


def _beside(archive: str, read: Callable[[str], bytes | None] | None) -> Callable[[str], bytes | None] | None:
    """``read`` for names that are relative to the archive's folder."""
    folder = archive.rpartition("/")[0]
    if read is None or not folder:
        return read
    return lambda name: read(name if name.startswith("/") else f"{folder}/{name}")


def _map_of(name: str, members: dict[int, tuple[str, bytes]]) -> list[tuple[str, int]]:
    """The symbol map of an archive made without one (ld refuses such an archive; ar s would add it)."""
    found: list[tuple[str, int]] = []
    for position, (member, body) in members.items():
        if is_elf(body):
            file = read_object(f"{name}({member})", body)
            found += [(s.name, position) for s in file.symbols[file.first_global :] if s.section]
    return found


def _defines(file: InputFile, name: str) -> bool:
    """Whether it has data of the name, not weakly: only that takes the place of a common (``is_global_data_symbol_definition``)."""
    return any(
        s.name == name
        and s.binding == elf.STB_GLOBAL
        and s.type != elf.STT_FUNC
        and s.section not in (elf.SHN_UNDEF, elf.SHN_COMMON)
        for s in file.symbols[file.first_global :]
    )


def allocate_commons(context: Context) -> None:
    """Give every common symbol its place in its file's COMMON section, in the order of ld's symbol table."""
    if not any(entry.state == COMMON for entry in context.names.entries.values()):
        return
    sections: dict[InputFile, InputSection] = {}
    for entry in context.names.in_hash_order():
        if entry.state != COMMON or entry.file is None:
            continue
        section = sections.get(entry.file)
        if section is None:
            section = InputSection(
                entry.file, 0, "COMMON", elf.SHT_NOBITS, elf.SHF_WRITE | elf.SHF_ALLOC, 1, 0, 0, b""
            )
            sections[entry.file] = section
            entry.file.sections.append(section)
        alignment = 1 << max(entry.value - 1, 0).bit_length() if entry.value else 1
        section.alignment = max(section.alignment, alignment)
        offset = -(-section.size // alignment) * alignment
        section.size = offset + entry.size
        entry.state, entry.section, entry.value = DEFINED, section, offset


def report_duplicates(context: Context) -> None:
    """One error for each second definition, naming both places."""
    if context.options.allow_multiple:
        return
    for entry, file, section, offset in context.duplicates:
        place, line = context.where(section, offset) if section is not None else (file.name, 0)
        first = entry.section if isinstance(entry.section, InputSection) else None
        related: tuple[tuple[str, Span], ...] = ()
        other = entry.file.name if entry.file else ""
        if first is not None:
            first_place, first_line = context.where(first, entry.value)
            related = ((f"`{entry.name}' was first defined here", Span(first_place, first_line)),)
            other = context.place(first, entry.value)
        here = context.place(section, offset) if section is not None else file.name
        context.say(
            "error",
            f"multiple definition of `{entry.name}'",
            place,
            line=line,
            related=related,
            help="rename one of them, or make it local to its file by taking away its `global'",
            ld_message=f"{here}: multiple definition of `{entry.name}'; {other}: first defined here",
        )


def report_required(context: Context) -> None:
    """What --require-defined names must be there."""
    for name in context.options.required:
        if not context.names.entry(name).is_defined:
            context.say(
                "error",
                f"required symbol `{name}' not defined",
                context.files[0].name,
                help=undefined_help(context, name),
                ld_message=f"required symbol `{name}' not defined",
            )


_LIBRARY_FUNCTIONS = frozenset(
    [
        "printf",
        "puts",
        "putchar",
        "scanf",
        "exit",
        "malloc",
        "free",
        "strlen",
        "memcpy",
        "main",
        "getchar",
        "fopen",
        "write",
        "read",
        "strcmp",
    ]
)


def nearest_names(context: Context, name: str) -> Sequence[str]:
    """Defined names that look like ``name``, globals first and then labels local to a file."""
    import difflib

    candidates = [e.name for e in context.names.entries.values() if e.is_defined]
    close = difflib.get_close_matches(name, candidates, 2, 0.75) if len(name) < 200 else []
    if close:
        return close
    local = {s.name for f in context.files for s in f.symbols[: f.first_global] if s.name and s.type <= 2}
    return [name] if name in local else difflib.get_close_matches(name, sorted(local)[:5000], 1, 0.8)


def undefined_help(context: Context, name: str) -> str:
    """What to do about an undefined name."""
    for file in context.files:
        if any(s.name == name and s.section for s in file.symbols[: file.first_global]):
            return f"`{name}' is defined in {file.name}, but local to it: write `global {name}' there"
    close = nearest_names(context, name)
    if close:
        return f"did you mean `{close[0]}'?"
    if name in _LIBRARY_FUNCTIONS:
        return (
            f"`{name}' belongs to the C library, which is not linked in: link with it, or use a system call"
        )
    return f"define `{name}' and make it `global' in its file, or add the object or library that has it"


def is_strong_undefined(entry: Entry) -> bool:
    return entry.state == UNDEFINED
