"""--gc-sections: drop the input sections that nothing needs (elflink.c, ``bfd_elf_gc_sections``).

Roots are the entry, names asked for with -u, what the script KEEPs, notes and SHF_GNU_RETAIN sections. Everything a relocation of a
kept section refers to is kept; .eh_frame keeps what the entries of kept functions refer to.
"""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link import boundaries
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import Entry, InputFile, InputSection
from toolkit.asm.link.script import is_debugging
from toolkit.asm.link.special import PROVIDED, SHOWN

_KEPT_NAMES = (".init", ".fini", ".jcr", ".preinit_array", ".gnu.attributes")
_KEPT_PREFIXES = (".init_array", ".fini_array", ".ctors", ".dtors")


def collect_sections(context: Context) -> None:
    """Mark dropped sections ``kept = False`` and forget names only they mention."""
    collector = _Collector(context)
    collector.mark_roots()
    collector.run()
    collector.mark_frames()
    for file in context.files:
        _sweep(file, collector.live)
    for entry in context.names.entries.values():
        own = entry.is_defined and entry.dynamic_definition is None
        own = own or entry.name in (PROVIDED if context.is_shared else SHOWN)
        if not entry.marked and not own:
            entry.referenced = False
    boundaries.forget(context, collector.live)


def _sweep(file: InputFile, live: set[InputSection]) -> None:
    """Drop what is not live; what is not loaded stays with a file of which anything but notes stays."""
    grouped = {n for _, numbers in file.groups for n in numbers}
    some = any(_is_some(section, live) for section in file.content())
    for section in file.content():
        if section in live or _is_frames(section):
            continue
        if (
            some
            and _is_special(section)
            and (section.number not in grouped or _is_special_group(file, section))
        ):
            continue
        section.kept = False


def _is_frames(section: InputSection) -> bool:
    return section.name.startswith(".eh_frame") and bool(section.flags & elf.SHF_ALLOC)


def _is_some(section: InputSection, live: set[InputSection]) -> bool:
    """Whether it shows that a part of its file stays; the script KEEPs every .eh_frame."""
    loaded = section.flags & elf.SHF_ALLOC and section.type != elf.SHT_NOTE and section.kept
    return bool(loaded) and (section in live or section.name == ".eh_frame")


def _is_special(section: InputSection) -> bool:
    """Debugging information, or what is neither loaded nor relocated, as .comment."""
    if section.flags & elf.SHF_ALLOC:
        return False
    return is_debugging(section.name) or not section.relocations


def _is_special_group(file: InputFile, section: InputSection) -> bool:
    for _, numbers in file.groups:
        if section.number in numbers:
            members = [file.sections[n] for n in numbers if n < len(file.sections)]
            return all(member is None or _is_special(member) for member in members)
    return True


class _Collector:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.live: set[InputSection] = set()
        self.pending: list[InputSection] = []
        self.groups: dict[InputSection, list[InputSection]] = {}
        self.named: dict[str, list[InputSection]] = {}
        for file in context.files:
            for _, numbers in file.groups:
                members = [
                    s for n in numbers if n < len(file.sections) and (s := file.sections[n]) is not None
                ]
                for member in members:
                    self.groups[member] = members
            for section in file.sections:
                if section is not None and section.name.isidentifier():
                    self.named.setdefault(section.name, []).append(section)

    def mark_roots(self) -> None:
        context = self.context
        for name in (context.options.entry or "_start", *context.options.undefined):
            entry = context.names.get(name)
            if entry is not None:
                self.mark_entry(entry)
        for entry in context.names.entries.values() if context.is_dynamic else ():
            self._mark_shared(entry)
        for file in context.files:
            for section in file.sections:
                if section is not None and section.kept and _is_root(section):
                    self.mark(section)

    def _mark_shared(self, entry: Entry) -> None:
        """Keep the section of a name that other modules may want; not for that the name itself."""
        if not self._may_be_wanted(entry):
            return
        if isinstance(entry.section, InputSection):
            self.mark(entry.section)

    def _may_be_wanted(self, entry: Entry) -> bool:
        context = self.context
        if entry.visibility in (elf.STV_DEFAULT, elf.STV_PROTECTED):
            return entry.dynamic_reference or context.is_shared or context.options.export_dynamic
        if entry in context.boundaries and entry.dynamic_reference:
            return True
        # hidden in a program, and a library has it too: ld does not make it local yet
        also = entry.dynamic_reference and entry.defined_by_library
        return also and not entry.wanted_by_library and not context.is_shared

    def mark(self, section: InputSection) -> None:
        if section in self.live or not section.kept:
            return
        self.live.add(section)
        self.pending.append(section)
        for member in self.groups.get(section, ()):
            self.mark(member)

    def mark_entry(self, entry: Entry) -> None:
        entry.marked = True
        if isinstance(entry.section, InputSection):
            self.mark(entry.section)
        first = self.context.boundaries.get(entry)
        if first is not None:
            for section in self.named[first.name]:
                self.mark(section)

    def run(self) -> None:
        while self.pending:
            section = self.pending.pop()
            if section.name.startswith(".eh_frame"):
                continue
            for relocation in section.relocations:
                self.mark_symbol(section.file, relocation.symbol)

    def mark_symbol(self, file: InputFile, number: int) -> None:
        if number >= file.first_global:
            entry = file.entries[number - file.first_global]
            if entry is not None:
                self.mark_entry(entry)
            return
        symbol = file.symbols[number]
        target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
        if target is not None:
            self.mark(target)

    def mark_frames(self) -> None:
        """Follow the entries of .eh_frame whose functions are kept: personality routines and call-site tables."""
        for file in self.context.files:
            for section in file.sections:
                if section is None or section.name != ".eh_frame":
                    continue
                for relocation in section.relocations:
                    if self._is_code(file, relocation.symbol):
                        continue
                    self.mark_symbol(file, relocation.symbol)
        self.run()

    def _is_code(self, file: InputFile, number: int) -> bool:
        symbol = file.symbols[number]
        target = file.sections[symbol.section] if symbol.section < len(file.sections) else None
        return target is not None and bool(target.flags & elf.SHF_EXECINSTR)


def _is_root(section: InputSection) -> bool:
    if section.flags & elf.SHF_GNU_RETAIN or section.type in (
        elf.SHT_NOTE,
        elf.SHT_INIT_ARRAY,
        elf.SHT_FINI_ARRAY,
        elf.SHT_PREINIT_ARRAY,
    ):
        return True
    return section.name in _KEPT_NAMES or section.name.startswith(_KEPT_PREFIXES)
