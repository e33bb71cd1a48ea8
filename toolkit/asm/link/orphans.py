"""Where sections go that ld's script does not name, in memory and in the list of section headers.

A walk in ld's own steps (ldelf.c ``ldelf_place_orphan``, ldlang.c ``lang_insert_orphan``): the script is a list of statements, in
whose order memory is filled; BFD has a list of the sections made so far, in whose order the headers stand. An orphan is put
into both, behind the statement for its kind of contents or behind the last orphan of that kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from toolkit.abi import elf
from toolkit.asm.link import script
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import InputSection, OutputSection

# BFD's section flags, as far as they decide a place
_ALLOC, _LOAD, _READONLY, _CODE, _CONTENTS, _THREADS, _DEBUGGING = (1 << bit for bit in range(7))
_CONSTANT = _CONTENTS | _ALLOC | _LOAD | _READONLY
_ANY = _CONTENTS | _ALLOC | _LOAD | _READONLY | _CODE | _THREADS


@dataclass(eq=False, slots=True)
class _Statement:
    """A place for an output section in the script. ``kind``: the flags ld takes it to have while it has no section."""

    name: str
    number: int | None = None  # of the default script's
    output: OutputSection | None = None
    kind: int = 0


@dataclass(eq=False, slots=True)
class _Slot:
    """Where orphans of one kind go (``orphan_save``)."""

    name: str
    kind: int
    statement: _Statement | None = None
    last: _Statement | None = None  # the statement behind which the next one goes, once there was one
    is_begun: bool = False  # the place in BFD's list is known
    before: OutputSection | None = None  # what stands before that place; None: nothing


def kind_of(section: InputSection) -> int:
    """BFD's flags of an input section."""
    kind = 0 if section.flags & elf.SHF_WRITE else _READONLY
    if section.type != elf.SHT_NOBITS:
        kind |= _CONTENTS
    if section.flags & elf.SHF_ALLOC:
        kind |= _ALLOC | (_LOAD if kind & _CONTENTS else 0)
    elif script.is_debugging(section.name):
        kind |= _DEBUGGING
    if section.flags & elf.SHF_EXECINSTR:
        kind |= _CODE
    return kind | (_THREADS if section.flags & elf.SHF_TLS else 0)


def _together(first: int, second: int) -> int:
    """The flags of both: all of each, but read-only only if both are."""
    return (first | second) & ~_READONLY | (first & second & _READONLY)


class Orphans:
    """The statements and BFD's list of one link, with the script's sections in them."""

    def __init__(
        self,
        context: Context,
        placed: Iterable[OutputSection],
        statements: Iterable[tuple[int, str]],
        orphans: Iterable[InputSection],
    ) -> None:
        """``placed``: the outputs of the script's statements, with their inputs; ``statements``: numbers and names."""
        self.context = context
        by_number = {output.position[0]: output for output in placed}
        self.head = _Statement("*ABS*")
        self.statements = [self.head]
        self.by_name: dict[str, list[_Statement]] = {}
        empty = set(made_in_advance(context))
        wanted = {*_KINDS, *empty, *context.options.addresses, *(section.name for section in orphans)}
        for number, name in statements:
            if number in by_number or name in wanted:  # others have no part in it
                self._add(_Statement(name, number, by_number.get(number)), len(self.statements))
        fixed = self._fixed_statements()
        self.empty = self._empty_sections(empty)
        others = (s.output for s in self.statements if s.output is not None and s not in fixed)
        self.sections = [*(s.output for s in fixed if s.output is not None), *others]
        self.kinds: dict[OutputSection, int] = {}
        for output in self.sections:
            for section in output.inputs:
                self._add_kind(output, section)
        self.slots = {name: _Slot(name, kind) for name, kind in _KINDS.items()}
        for slot in self.slots.values():
            slot.statement = self._named(slot.name)
            if slot.statement is not None:
                slot.statement.kind = slot.kind
        self.first_note: OutputSection | None = None

    def _empty_sections(self, names: set[str]) -> set[OutputSection]:
        """Sections that BFD has made by now though nothing goes into them, and that are dropped later."""
        found = set()
        for statement in self.statements:
            if statement.output is None and statement.name in names:
                assert statement.number is not None
                statement.output = OutputSection(statement.name, (statement.number, 0))
                found.add(statement.output)
        return found

    def _add(self, statement: _Statement, index: int) -> None:
        self.statements.insert(index, statement)
        self.by_name.setdefault(statement.name, []).append(statement)

    def _fixed_statements(self) -> list[_Statement]:
        """Those whose address the command line tells: they have a section from the start."""
        fixed: list[_Statement] = []
        for name in self.context.options.addresses:
            statement = self._named(name)
            if statement is None:
                statement = _Statement(name, script.AFTER_SCRIPT + len(fixed))
                self._add(statement, len(self.statements))
            if statement.output is None:
                assert statement.number is not None
                statement.output = OutputSection(name, (statement.number, 0))
            fixed.append(statement)
        return fixed

    def _named(self, name: str) -> _Statement | None:
        return next(iter(self.by_name.get(name, ())), None)

    def _add_kind(self, output: OutputSection, section: InputSection) -> None:
        kind = kind_of(section)
        old = self.kinds.get(output)
        self.kinds[output] = kind if old is None else _together(old, kind)
        output.alignment = max(output.alignment, section.alignment)
        if not output.type:
            output.type, output.flags = section.type, section.flags

    # ---- one orphan ---------------------------------------------------------------------------------------------

    def place(
        self, section: InputSection, later: Sequence[InputSection], *, alone: bool = False
    ) -> OutputSection:
        """The output section of an orphan, made when there is none that it fits. ``later``: the orphans behind it.

        ``alone``: no other section may share it.
        """
        output = None if alone else self._existing(section)
        if output is None:
            kind = kind_of(section)
            for other in later:
                if other.name == section.name and other.type == section.type:
                    together = not (kind_of(other) ^ kind) & (_ALLOC | _LOAD)
                    kind = _together(kind, kind_of(other)) if together else kind
            output = OutputSection(section.name, ())
            self._insert(section, output, kind)
        self._add_kind(output, section)
        self.empty.discard(output)
        return output

    def _existing(self, section: InputSection) -> OutputSection | None:
        unused: _Statement | None = None
        for statement in self.by_name.get(section.name, ()):
            output = statement.output
            if output is None:
                unused = statement
            elif output not in self.kinds or self._is_alike(output, section):
                return output
        if unused is None:
            return None
        assert unused.number is not None
        unused.output = OutputSection(section.name, (unused.number, 0))
        self.sections.append(unused.output)
        return unused.output

    def _is_alike(self, output: OutputSection, section: InputSection) -> bool:
        strict = 0 if not self.context.options.relocatable else elf.SHF_MASKOS | elf.SHF_MASKPROC
        return (
            not (self.kinds[output] ^ kind_of(section)) & (_ALLOC | _LOAD)
            and not (output.flags ^ section.flags) & strict
            and output.type == section.type
            and not section.info
        )

    def _insert(self, section: InputSection, output: OutputSection, kind: int) -> None:
        statement = _Statement(section.name, None, output)
        slot = self._slot(section, kind)
        if slot is None:  # debugging information stands at the end
            self._add(statement, len(self.statements))
            self.sections.append(output)
            return
        after = slot.statement
        if after is None:
            after = self._by_flags(section.type, kind, slot) or self.head
        self.sections.append(output)
        before = self._insert_section(section, output, after, slot)
        if before is not None:
            slot.last = before
        elif slot.last is None:
            slot.last = after
        self._add(statement, self.statements.index(slot.last) + 1)
        slot.last = statement

    def _slot(self, section: InputSection, kind: int) -> _Slot | None:
        if not kind & (_ALLOC | _DEBUGGING):
            return self.slots[".comment"]
        if not kind & _ALLOC:
            return None
        if kind & _LOAD and section.type == elf.SHT_NOTE:
            return self.slots[".interp"]
        if not kind & (_LOAD | _CONTENTS | _THREADS):
            return self.slots[".bss"]
        if kind & _THREADS:
            return self.slots[".tdata"]
        if not kind & _READONLY:
            return self.slots[".data"]
        return self.slots[".text" if kind & _CODE else ".rodata"]

    # ---- a statement by flags -----------------------------------------------------------------------------------

    def _by_flags(self, section_type: int, kind: int, slot: _Slot) -> _Statement | None:
        """``lang_output_section_find_by_flags``, for notes: the last statement alike, of the same type if there is one."""
        slot.statement = self._last_with(section_type, kind, _ANY)
        if slot.statement is not None:
            return slot.statement
        if kind & _CODE:
            near = _ANY & ~_READONLY
        else:
            near = _ANY & ~(_CODE | (_THREADS if kind & _READONLY else _READONLY))
        tries = ((section_type, near), (elf.SHT_NULL, _ANY), (elf.SHT_NULL, near))
        found = (self._last_with(wanted, kind, mask) for wanted, mask in tries)
        return next((statement for statement in found if statement is not None), None)

    def _last_with(self, section_type: int, kind: int, mask: int) -> _Statement | None:
        """The last statement whose flags agree within ``mask``; SHT_NULL stands for any type."""
        found = None
        for statement in self.statements[1:]:
            output = statement.output
            if output is not None and section_type not in (elf.SHT_NULL, output.type):
                continue
            known = statement.kind if output is None else self.kinds.get(output, 0)
            if not (known ^ kind) & mask:
                found = statement
        return found

    # ---- BFD's list ---------------------------------------------------------------------------------------------

    def _insert_section(
        self, section: InputSection, output: OutputSection, after: _Statement, slot: _Slot
    ) -> _Statement | None:
        """Move the new output to its place; the statement it must follow, if the order of notes demands one."""
        if not slot.is_begun:
            slot.before = None if after is self.head else self._section_at(after)
            slot.is_begun = True
        index = 0 if slot.before is None else self.sections.index(slot.before) + 1
        following = self.sections[index] if index < len(self.sections) else None
        demanded = None
        if following is not None and (_is_note(section) or self._is_note(following)):
            demanded = self._insert_among_notes(section, output, following, after)
        elif following is not None:
            self._move_before(output, following)
        slot.before = output
        return demanded

    def _section_at(self, statement: _Statement) -> OutputSection | None:
        """The section of a statement, or of the last one before it that has one."""
        for earlier in reversed(self.statements[: self.statements.index(statement) + 1]):
            if earlier.output is not None:
                return earlier.output
        return None

    def _move_before(self, output: OutputSection, following: OutputSection) -> None:
        if output is not following:
            self.sections.remove(output)
            self.sections.insert(self.sections.index(following), output)

    def _is_note(self, output: OutputSection) -> bool:
        return output.type == elf.SHT_NOTE and bool(self.kinds.get(output, 0) & _LOAD)

    def _insert_among_notes(
        self, section: InputSection, output: OutputSection, following: OutputSection, after: _Statement
    ) -> _Statement | None:
        """Loaded notes stand together, by falling alignment, and nothing comes between them."""
        behind: OutputSection | None = None
        if _is_note(section):
            notes = list(self._first_notes(output))
            self.first_note = notes[0] if notes else None
            larger = [note for note in notes if note.alignment >= section.alignment]
            behind = larger[-1] if larger else None
            if behind is None and notes:
                self._move_before(output, notes[0])
                return self._statement_near(after, notes[0], 1)
        elif self.first_note is not None:
            rest = self.sections[self.sections.index(following) + 1 :]
            behind = next((other for other in reversed(rest) if self._is_note(other)), following)
        if behind is None:
            self._move_before(output, following)
            return None
        self.sections.remove(output)
        self.sections.insert(self.sections.index(behind) + 1, output)
        return self._statement_near(after, behind, 0)

    def _first_notes(self, output: OutputSection) -> Iterator[OutputSection]:
        """The first run of loaded notes."""
        found = False
        for other in self.sections:
            if other is not output and self._is_note(other):
                found = True
                yield other
            elif found:
                return

    def _statement_near(self, after: _Statement, output: OutputSection, distance: int) -> _Statement | None:
        """The statement of a section, or the one ``distance`` before it."""
        index = next((i for i, s in enumerate(self.statements) if s.output is output), None)
        return None if index is None else self.statements[index - distance]

    # ---- the result ---------------------------------------------------------------------------------------------

    def number(self) -> None:
        """Drop what is empty, and give the orphans their positions: the number of the script's statement before them, and a count."""
        self.sections = [output for output in self.sections if output not in self.empty]
        last, count = -1, 0
        for statement in self.statements[1:]:
            if statement.number is not None:
                last = script.EDATA if statement.number == script.DATA1 else statement.number
                count = 0
            elif statement.output is not None:
                count += 1
                statement.output.position = (last, count)


def made_in_advance(context: Context) -> Iterator[str]:
    """What the script assigns symbols or the location counter in, and what every link has for its GOT and PLT."""
    if context.options.relocatable:
        return
    yield from (".plt", ".got", ".bss")
    yield from (".rela.dyn", ".rela.plt", ".ldata") if context.is64 else (".rel.dyn", ".rel.plt")
    if not context.options.bind_now:
        yield ".got.plt"
    if not context.is_shared:
        yield from (".tdata", ".preinit_array", ".init_array", ".fini_array")


def _is_note(section: InputSection) -> bool:
    return section.type == elf.SHT_NOTE and bool(section.flags & elf.SHF_ALLOC)


_KINDS = {
    ".text": _CONSTANT | _CODE,
    ".rodata": _CONSTANT,
    ".tdata": _CONTENTS | _ALLOC | _LOAD | _THREADS,
    ".data": _CONTENTS | _ALLOC | _LOAD,
    ".bss": _ALLOC,
    ".interp": _CONSTANT,
    ".comment": _CONTENTS,
}


@lru_cache(maxsize=4)
def script_statements(is_shared: bool, is64: bool) -> tuple[tuple[int, str], ...]:
    """The numbers and names of the script for this kind of link."""
    return tuple(
        (number, name)
        for number, name in enumerate(script.NAMES)
        if name and not (name == ".interp" and is_shared) and (is64 or number not in script.LARGE)
    )
