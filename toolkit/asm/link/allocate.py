"""Decide, from what was noted of each symbol, which get PLT and GOT entries, copies and dynamic relocations, and in what order.

BFD's ``adjust_dynamic_symbol`` and ``allocate_dynrelocs`` (elfxx-x86.c): local symbols file by file, then the global ones in the
order of the hash table.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.abi import elf
from toolkit.asm.link.assign import created_section
from toolkit.asm.link.identifiers import traversed
from toolkit.asm.link.model import (
    DEFINED_WEAK,
    UNDEFINED,
    UNDEFINED_WEAK,
    Entry,
    InputSection,
    LibraryPlace,
)
from toolkit.asm.link.needs import (
    BOTH,
    DESCRIPTOR,
    GENERAL,
    INITIAL,
    NORMAL,
    POSITIVE,
    Need,
    Pending,
    is_hidden,
)
from toolkit.asm.link.scan import Scan
from toolkit.asm.link.special import ADDRESS, MODULE, TP_NEGATED, TP_OFFSET, GotEntry, Key, is_absolute

_GENERAL = (GENERAL, GENERAL | DESCRIPTOR)


class Allocation(Scan):
    """``Scan`` with places in the tables."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.got_size = 0
        self.got_relocations = 0
        self.plts: list[Key] = []  # with a lazy entry, in its order
        self.plt_gots: list[Entry] = []
        self.jumps = 0  # lazy entries the dynamic linker fills
        self.copies: list[Entry] = []
        self.copy_sections: dict[str, InputSection] = {}
        self.relocated: list[Pending] = []
        self.module_slot = -1
        self.unused: list[Pending] = []  # those with a row in the relocation table that ld leaves empty
        self.indirect: list[Key] = []  # indirect functions with an entry in .iplt
        self.pointers: list[Pending] = []  # to indirect functions, filled when the program starts
        self.chosen_slots: list[Key] = []  # GOT entries of indirect functions, filled then too

    # ---- library variables and functions ------------------------------------------------------------------------

    def adjust(self, entries: list[Entry]) -> None:
        """PLT entry, copy, or neither, for what libraries define."""
        read_only: set[Key] = {p.key for p in self.pending if self.is_read_only(p.section)}
        for entry in entries:
            real = self.aliases.get(entry)
            if real is not None and entry.dynamic_definition is not None:
                self._share_flags(entry, real, read_only)
            if self.context.is_pic:
                self._hide(entry)
        done: set[Entry] = set()
        for entry in entries:
            self._adjust(entry, read_only, done)
        for section in self.copy_sections.values():
            if not section.size:  # ld takes it out before its alignment can count
                section.alignment = 1

    def _hide(self, entry: Entry) -> None:
        """A hidden function that is called through the PLT becomes local."""
        need = self.needs.get(entry)
        if need is not None and need.needs_plt and is_hidden(entry) and self.is_defined_here(entry):
            self.make_local(entry)

    def _share_flags(self, entry: Entry, real: Entry, read_only: set[Key]) -> None:
        """What is asked of a weak name is asked of the strong one (_bfd_elf_fix_symbol_flags)."""
        real.referenced = real.referenced or entry.referenced
        real.strongly = real.strongly or entry.strongly
        need = self.needs.get(entry)
        if need is None:
            return
        target = self.need(real)
        target.direct = target.direct or need.direct
        target.from_base = target.from_base or need.from_base
        target.needs_plt = target.needs_plt or need.needs_plt
        target.address_matters = target.address_matters or need.address_matters
        if entry in read_only:
            read_only.add(real)

    def _adjust(self, entry: Entry, read_only: set[Key], done: set[Entry]) -> None:
        real = self.aliases.get(entry)
        if entry in done or (entry not in self.needs and real is None) or self.is_indirect(entry):
            return
        done.add(entry)
        need = self.need(entry)
        from_library = entry.dynamic_definition is not None
        concerned = entry.referenced or (real is not None and real in self.recorded)
        if not need.needs_plt and (not from_library or not concerned):
            need.called = False
            return
        if real is not None:
            real.referenced = True
            self._adjust(real, read_only, done)
        if entry.type == elf.STT_FUNC or need.needs_plt:
            hidden_zero = entry.visibility != 0 and entry.state == UNDEFINED_WEAK
            if not need.called or self.is_called_here(entry) or hidden_zero:
                need.called = need.needs_plt = False
            return
        need.called = False
        if real is not None:
            need.direct = self.need(real).direct
            need.copied = self.need(real).copied
            entry.section, entry.value = real.section, real.value
        elif self._wants_copy(entry, need, read_only):
            self._copy(entry, need)

    def _wants_copy(self, entry: Entry, need: Need, read_only: set[Key]) -> bool:
        if self.context.is_shared or not (need.direct or need.from_base):
            return False
        symbol = entry.dynamic_definition
        protected = symbol is not None and symbol.other & 3 == elf.STV_PROTECTED
        if protected or ((self.context.is64 or not need.from_base) and entry not in read_only):
            need.direct = False
            return False
        return True

    def _copy(self, entry: Entry, need: Need) -> None:
        """Room for the program's own copy: in .bss, or for a constant in .data.rel.ro."""
        symbol = entry.dynamic_definition
        assert symbol is not None
        assert entry.file is not None
        unknown = LibraryPlace(writable=True, address=0, alignment=32, empty=False)
        writable, address, alignment, _ = entry.file.places.get(symbol.section, unknown)
        name = ".dynbss" if writable else ".data.rel.ro"
        section = self.copy_sections.get(name)
        if section is None:
            kind = elf.SHT_NOBITS if writable else elf.SHT_PROGBITS
            section = self.copy_sections[name] = created_section(self.context, name, kind, 3, 1)
        while (symbol.value - address) & (alignment - 1):
            alignment >>= 1
        section.alignment = max(section.alignment, alignment)
        section.size = -(-section.size // alignment) * alignment
        entry.section, entry.value = section, section.size
        section.size += entry.size
        section.data = bytes(section.size)
        if entry.size:
            need.copied = True
            self.copies.append(entry)

    # ---- entries ------------------------------------------------------------------------------------------------

    def allocate_entries(self, entries: list[Entry]) -> None:
        """GOT and PLT entries in BFD's order, and which relocations stay."""
        files = {file: number for number, file in enumerate(self.context.files)}
        local = [
            key
            for key, need in self.needs.items()
            if isinstance(key, tuple) and need.got and not self.is_indirect(key)
        ]
        for key in sorted(local, key=lambda k: (files[k[0]], k[1])):
            self._allocate_local(key)
        if self.local_module:
            self.module_slot = self._room(2)
            self.got_relocations += 1
        by_key: dict[Key, list[Pending]] = {}
        for pending in self.pending:
            by_key.setdefault(pending.key, []).append(pending)
        for entry in entries:
            if entry not in self.needs:
                continue
            if self.is_indirect(entry):
                self.allocate_indirect(entry, by_key.get(entry, ()))
            else:
                self._allocate_global(entry, self.needs[entry])
                self._keep(entry, by_key.get(entry, ()))
        indirect = [k for k in self.needs if isinstance(k, tuple) and self.is_indirect(k)]
        for index in traversed([(file.identifier, number) for file, number in indirect]):
            self.allocate_indirect(indirect[index], by_key.get(indirect[index], ()))
        self.relocated = [p for p in self.pending if not self.is_indirect(p.key) and self._stays(p)]
        if self.context.is_dynamic and not self.context.is_shared:
            self._check_protected()
            self._check_copied()
        for found in self.distances if self.context.is_dynamic else ():
            if isinstance(found.key, Entry) and self._is_too_far(found.key):
                self.refuse(found.section, found.relocation, found.key)

    def _check_protected(self) -> None:
        """A program's protected name can't be left to the dynamic linker in code."""
        for found in self.relocated:
            key, section = found.key, found.section
            if not isinstance(key, Entry) or not key.protected or not self.is_read_only(section):
                continue
            place, line = self.context.where(section, found.relocation.offset)
            text = f"copy relocation against non-copyable protected symbol `{key.name}'"
            self.context.say("error", text, place, line=line, ld_message=f"{section.file.name}: {text}")

    def _check_copied(self) -> None:
        """ld's i386 back end has no distance to a variable that it copies into a PIE (``reloc against …: error 6``)."""
        if self.context.is64 or self.context.options.kind != "pie":
            return
        for found in self.relocated:
            key, section = found.key, found.section
            if isinstance(key, Entry) and self.need(key).copied and self.is_relative(found.relocation.type):
                place, line = self.context.where(section, found.relocation.offset)
                self.context.say(
                    "error",
                    f"the distance to `{key.name}' is not known: a shared library defines it, as a variable",
                    place,
                    line=line,
                    help=f"call functions through the PLT (`call {key.name} wrt ..plt'), or give `{key.name}' the type function",
                    ld_message=f"{section.file.name}({section.name}+{found.relocation.offset:#x}): "
                    f"reloc against `{key.name}': error 6",
                )

    def _is_too_far(self, entry: Entry) -> bool:
        """Whether x86-64 code can't be at a fixed distance from what the name will mean (``R_X86_64_PC32``)."""
        weak = entry.state == UNDEFINED_WEAK
        library = entry.dynamic_definition is not None
        pie = self.context.options.kind == "pie"
        here = self.is_defined_here(entry) or self.is_linkers(entry) or entry.section is not None
        if not self.context.is_shared:
            zero = weak and self.is_zero(entry)
            if not ((weak and not zero) or (pie and (weak or (library and not here)))):
                return False
        if self.is_bound(entry):
            return not here
        if pie:
            return weak or (entry.type == elf.STT_FUNC and library)
        return self.context.is_shared and entry.visibility in (elf.STV_DEFAULT, elf.STV_PROTECTED)

    def allocate_indirect(self, key: Key, pending: Sequence[Pending]) -> None:
        """Entries for a function that is chosen when the program starts."""
        raise NotImplementedError

    def _room(self, words: int) -> int:
        offset = self.got_size
        self.got_size += words * self.context.word
        return offset

    def _allocate_local(self, key: Key) -> None:

        got = self.needs[key].got
        self._add_slots(key, got)
        if got == BOTH:
            self.got_relocations += 2
        elif got != NORMAL or (self.context.is_pic and not is_absolute(key)):
            self.got_relocations += 1

    def _add_slots(self, key: Key, got: int) -> None:
        word = self.context.word
        if got in _GENERAL:
            self.got[key, MODULE] = GotEntry(key, MODULE, self._room(2))
        elif got == BOTH:
            offset = self._room(2)
            self.got[key, TP_NEGATED] = GotEntry(key, TP_NEGATED, offset)
            self.got[key, TP_OFFSET] = GotEntry(key, TP_OFFSET, offset + word)
        elif got & INITIAL:
            kind = TP_OFFSET if self.context.is64 or got == POSITIVE else TP_NEGATED
            self.got[key, kind] = GotEntry(key, kind, self._room(1))
        else:
            self.got[key, ADDRESS] = GotEntry(key, ADDRESS, self._room(1))

    def _allocate_global(self, entry: Entry, need: Need) -> None:
        if need.called and self.context.is_dynamic:
            self._allocate_call(entry, need, need.got == NORMAL and not need.address_matters)
        if not need.got:
            return
        if not self.context.is_shared and not self.is_dynamic(entry) and need.got & INITIAL:
            need.got = 0  # the offset is known
            return
        if entry.state == UNDEFINED_WEAK:
            self.record_late(entry)
        self._add_slots(entry, need.got)
        self.got_relocations += self._count(entry, need.got)

    def _count(self, entry: Entry, got: int) -> int:
        """How many relocations its GOT slots take."""

        if got == BOTH:
            return 2
        if got in _GENERAL:
            return 2 if self.is_dynamic(entry) else 1
        if got & INITIAL:
            return 1
        zero = entry.state == UNDEFINED_WEAK and (entry.visibility != 0 or self.is_zero(entry))
        if zero and not self.is_linkers(entry):
            return 0
        if self.context.is_pic:
            return int(self.is_dynamic(entry) or not is_absolute(entry))
        return int(self.is_dynamic(entry) and not entry.local)

    def _allocate_call(self, entry: Entry, need: Need, through_got: bool) -> None:
        if entry.state == UNDEFINED_WEAK:
            self.record_late(entry)
        if not self.context.is_pic and not self.is_dynamic(entry):
            need.needs_plt = False
            return
        if through_got:
            need.plt_got = len(self.plt_gots)
            self.plt_gots.append(entry)
            return
        need.plt = len(self.plts)
        self.plts.append(entry)
        if not self.is_zero(entry):
            self.jumps += 1

    # ---- relocations that stay ----------------------------------------------------------------------------------

    def _keep(self, entry: Entry, pending: Sequence[Pending]) -> None:
        """An undefined weak name with relocations that stay becomes dynamic."""
        if not pending or entry.state != UNDEFINED_WEAK:
            return
        need = self.need(entry)
        if self.context.is_pic:
            if not (entry.visibility != 0 or self.is_zero(entry)):
                self.record_late(entry)
            elif need.direct and entry.visibility == 0 and self._has_i386_calls(pending):
                self.recorded.setdefault(entry)  # so that a call of it goes to 0
        elif not need.direct or not self.is_zero(entry):
            self.record_late(entry)

    def _is_distance_to_stub(self, pending: Pending, key: Entry) -> bool:
        """Data of a PIE that holds the distance to a library's function: its PLT entry will do."""
        near = (elf.R_X86_64_PC8, elf.R_X86_64_PC16, elf.R_X86_64_PC32)
        if self.context.is_shared or not self.context.is64 or pending.relocation.type not in near:
            return False
        in_code = pending.section.flags & elf.SHF_EXECINSTR
        library_function = key.type == elf.STT_FUNC and key.dynamic_definition is not None
        return library_function and not in_code and self.need(key).plt + self.need(key).plt_got > -2

    def _has_i386_calls(self, pending: Sequence[Pending]) -> bool:
        return not self.context.is64 and any(self.is_relative(p.relocation.type) for p in pending)

    def _stays(self, pending: Pending) -> bool:
        """Whether the dynamic linker applies it (``GENERATE_DYNAMIC_RELOCATION_P``)."""
        key, kind = pending.key, pending.relocation.type
        if not self.context.is64 and kind in (elf.R_386_TLS_IE, elf.R_386_TLS_LE, elf.R_386_TLS_LE_32):
            return True
        if not isinstance(key, Entry):
            return self.context.is_pic
        if self._is_missing(key):
            return False
        need = self.need(key)
        size = (
            kind in (elf.R_X86_64_SIZE32, elf.R_X86_64_SIZE64)
            if self.context.is64
            else kind == elf.R_386_SIZE32
        )
        bound_kind = self.is_relative(kind) or size
        if self.context.is_pic:
            undefined = key.state == UNDEFINED and key.dynamic_definition is None
            if self.context.is64 and not self.context.is_shared and bound_kind and (need.copied or undefined):
                return False
            if key.state == UNDEFINED_WEAK and not (self.is_linkers(key) or self.is_defined_here(key)):
                zero = key.visibility != 0 or self.is_zero(key)
                if key.visibility != 0 or (
                    zero and (self.context.is64 or not self.is_relative(kind) or not need.direct)
                ):
                    return False
            if self._is_distance_to_stub(pending, key):
                if key.state == DEFINED_WEAK:  # ld makes room all the same
                    self.unused.append(pending)
                return False
            return not bound_kind or not self.is_called_here(key)
        if not self.is_dynamic(key) or self.is_linkers(key):
            return False
        weak = key.state == UNDEFINED_WEAK
        if need.direct and not (weak and not self.is_zero(key)):
            return False
        if weak:  # ld makes room for it, and then does not use it
            self.unused.append(pending)
            return False
        return key.dynamic_definition is not None or key.state == UNDEFINED

    def _is_missing(self, entry: Entry) -> bool:
        """Whether nobody defines what a program refers to: said when the relocation is applied."""
        if self.context.may_lack(entry):
            return False
        undefined = entry.state == UNDEFINED and entry.dynamic_definition is None
        return undefined and not self.is_linkers(entry) and not self.is_defined_here(entry)

    def text_relocation(self) -> Pending | None:
        """A relocation with a row for memory that is not writable: the one that ld would name."""
        unused = [p for p in self.unused if isinstance(p.key, Entry)]
        found = [p for p in (*self.relocated, *unused) if self.is_read_only(p.section)]
        local = next((p for p in found if not isinstance(p.key, Entry)), None)
        if local is not None or not found:
            return local
        by_key = {p.key: p for p in reversed(found)}
        return next((by_key[e] for e in self.context.names.in_hash_order() if e in by_key), found[0])

    def warn_about_text(self) -> None:
        """ld's warnings about relocations in code; or errors, with -z text."""
        found = self.text_relocation()
        context = self.context
        severity = context.options.text_relocations
        if found is None or not severity:
            return
        output = {"shared": "a shared object", "pie": "a PIE"}.get(context.options.kind, "a PDE")
        section = found.section
        place, line = context.where(section, found.relocation.offset)
        text = f"relocation against `{self.label(found.key)}' in read-only section `{section.name}'"
        context.say(
            severity,
            f"{text}: the dynamic linker must write to {output}'s code",
            place,
            line=line,
            help="reach it through the GOT or the PLT (`wrt ..got', `wrt ..plt'), or keep the address in .data",
            ld_message=f"{section.file.name}: warning: {text}",
        )
        context.say(
            severity,
            f"creating DT_TEXTREL in {output}",
            context.files[0].name,
            ld_message=f"warning: creating DT_TEXTREL in {output}",
        )
