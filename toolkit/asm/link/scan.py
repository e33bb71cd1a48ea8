"""Look at the relocations of a dynamic link, and note what each asks of its symbol (BFD's ``check_relocs``)."""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link import relax64, relax386
from toolkit.asm.link.model import DEFINED_WEAK, UNDEFINED_WEAK, Entry, InputFile, InputSection, Relocation
from toolkit.asm.link.needs import (
    DESCRIPTOR,
    GENERAL,
    INITIAL,
    NEGATED,
    NORMAL,
    POSITIVE,
    Needs,
    Pending,
)
from toolkit.asm.link.special import Key, absolute_value, is_absolute

_GOT, _BASE, _PLT, _DIRECT, _SIZE, _ACCESS, _BLOCK, _LOCAL = range(8)

_ROLES_64 = {
    **dict.fromkeys((3, 9, 27, 28, 30, 41, 42), _GOT),
    **dict.fromkeys((25, 26, 29), _BASE),
    **dict.fromkeys((4, 31), _PLT),
    **dict.fromkeys((1, 2, 10, 11, 12, 13, 14, 15, 24), _DIRECT),
    **dict.fromkeys((32, 33), _SIZE),
    **dict.fromkeys((19, 22, 34, 35), _ACCESS),
    20: _BLOCK,
    **dict.fromkeys((18, 23), _LOCAL),
}
_ROLES_32 = {
    **dict.fromkeys((3, 43), _GOT),
    **dict.fromkeys((9, 10), _BASE),
    4: _PLT,
    **dict.fromkeys((1, 2), _DIRECT),
    38: _SIZE,
    **dict.fromkeys((15, 16, 18, 33, 39, 40), _ACCESS),
    19: _BLOCK,
    **dict.fromkeys((17, 34), _LOCAL),
}
_RELATIVE_64 = frozenset((2, 13, 15, 24))
_SHORT_64 = (elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_16, elf.R_X86_64_8)
_ABSOLUTE_64 = frozenset((1, 10, 11, 12, 14, 9, 41, 42))
_ABSOLUTE_32 = frozenset((1, 20, 22, 3, 43))
_MODELS = (GENERAL, DESCRIPTOR, GENERAL | DESCRIPTOR)
_ACCESS_KINDS = {
    elf.R_X86_64_TLSGD: GENERAL,
    elf.R_X86_64_GOTTPOFF: INITIAL,
    elf.R_X86_64_GOTPC32_TLSDESC: DESCRIPTOR,
    elf.R_X86_64_TLSDESC_CALL: DESCRIPTOR,
}
_ACCESS_KINDS_32 = {
    elf.R_386_TLS_GD: GENERAL,
    elf.R_386_TLS_IE_32: NEGATED,
    elf.R_386_TLS_IE: POSITIVE,
    elf.R_386_TLS_GOTIE: POSITIVE,
    elf.R_386_TLS_GOTDESC: DESCRIPTOR,
    elf.R_386_TLS_DESC_CALL: DESCRIPTOR,
}


class Scan(Needs):
    """``Needs`` filled from the relocations of the loaded sections."""

    def scan_section(self, file: InputFile, section: InputSection) -> None:
        roles = _ROLES_64 if self.context.is64 else _ROLES_32
        for index, relocation in enumerate(section.relocations):
            if relocation.type == 0 or not relocation.symbol:
                continue
            key = self.key(file, relocation.symbol)
            if isinstance(key, Entry):
                if key.name == "_GLOBAL_OFFSET_TABLE_":
                    self.needs_base = True
                if relocation.type == elf.R_386_GOTOFF and not self.context.is64:
                    self.need(key).from_base = True
            converted = self._convert_load(section, relocation, key)
            if converted is not None:
                relocation = section.relocations[index] = converted
            if self.context.is_pic and self._refuses_absolute(section, relocation, key):
                continue
            found = Pending(section, index, relocation, key)
            if converted is None and self._is_too_short(found):
                self.refuse(section, relocation, key)
                continue
            if self.context.is_pic and self.is_indirect(key) and self._refuses_distance(found):
                continue
            role = roles.get(relocation.type)
            if role is not None:
                self._note(section, found, role)

    def _note(self, section: InputSection, found: Pending, role: int) -> None:
        key = found.key
        entry = key if isinstance(key, Entry) else None
        if role in (_DIRECT, _SIZE):
            self._direct(found, entry, is_size=role == _SIZE)
        elif role in (_ACCESS, _BLOCK):
            self._access(found, role)
        elif role == _LOCAL:
            self._offset_from_thread(found, entry)
        elif role == _PLT:
            if entry is not None or self.is_indirect(key):
                need = self.need(key)
                need.zero &= 2
                need.needs_plt = need.called = True
        elif role == _GOT:
            self.want(key, NORMAL)
        else:
            self._from_base(found.relocation, entry)

    def _from_base(self, relocation: Relocation, entry: Entry | None) -> None:
        if entry is None:
            self.uses_table = True
            return
        self.uses_table = True
        self.need(entry).zero &= 2
        if (
            relocation.type == elf.R_386_GOTOFF
            and not self.context.is64
            and entry.state == UNDEFINED_WEAK
            and not self.context.is_shared
        ):
            self.needs_base = True

    def want(self, key: Key, kind: int) -> None:
        """Ask for a GOT entry. A thread-local symbol reached by its offset once needs no other kind."""
        need = self.need(key)
        need.zero &= 2
        old = need.got
        if old & INITIAL and kind & INITIAL:
            kind |= old
        elif old and old != kind:
            if old & INITIAL and kind in _MODELS:
                kind = old
            elif old in _MODELS and kind in _MODELS:
                kind |= old
            elif not (old in _MODELS and kind & INITIAL):
                self._both_ways(key)
        need.got = kind

    def _both_ways(self, key: Key) -> None:
        file = key.file if isinstance(key, Entry) else key[0]
        name = file.name if file is not None else ""
        text = f"`{self.label(key)}' accessed both as normal and thread local symbol"
        self.context.say("error", text, name, ld_message=f"{name}: {text}")

    # ---- loads from the GOT that need not be --------------------------------------------------------------------

    def _convert_load(self, section: InputSection, relocation: Relocation, key: Key) -> Relocation | None:
        is64, pic = self.context.is64, self.context.is_pic
        if not (relax64.is_got_load(relocation.type) if is64 else relocation.type == elf.R_386_GOT32X):
            return None
        if self.is_indirect(key):
            return None
        weak = False
        if isinstance(key, Entry):
            weak = key.state == UNDEFINED_WEAK and not self.is_linkers(key) and self.is_bound(key)
            if not weak and not self._is_known(key):
                return None
        value = absolute_value(key)
        if not is64:  # where --no-relax changes nothing
            return relax386.convert_load(
                section, relocation, absolute=value is not None, weak_undefined=weak, pic=pic
            )
        if not weak and not self.context.options.relax:
            return None
        relax = self.context.options.relax
        return relax64.convert_load(
            section, relocation, absolute=value, weak_undefined=weak, pic=pic, relax=relax
        )

    def _is_known(self, entry: Entry) -> bool:
        """Whether the link itself knows where it will be."""
        if entry.name == "_DYNAMIC":
            return False
        return self.is_linkers(entry) or (entry.is_defined and self.is_bound(entry))

    # ---- direct references --------------------------------------------------------------------------------------

    def _refuses_absolute(self, section: InputSection, relocation: Relocation, key: Key) -> bool:
        """An absolute number has no place relative to code that may be anywhere."""

        if not is_absolute(key) or (isinstance(key, Entry) and not self.refers_here(key)):
            return False
        if relocation.type in (_ABSOLUTE_64 if self.context.is64 else _ABSOLUTE_32):
            return False
        name = elf.RELOCATION_NAMES[self.context.machine].get(relocation.type, "?")
        place, line = self.context.where(section, relocation.offset)
        text = f"relocation {name} against absolute symbol `{self.label(key)}' in section `{section.name}' is disallowed"
        self.context.say("error", text, place, line=line, ld_message=f"{section.file.name}: {text}")
        return True

    def _refuses_distance(self, found: Pending) -> bool:
        """Whether it is a distance to a function chosen at start that BFD has no code for, in a shared object or a PIE."""
        kind, section = found.relocation.type, found.section
        name = self.label(found.key)
        if self.context.is64:
            refused = kind == elf.R_X86_64_PC64 and not self.context.is_shared
        else:
            in_code = bool(section.flags & elf.SHF_EXECINSTR)
            in_data = bool(section.flags & elf.SHF_WRITE) and not self.context.is_shared
            refused = kind == elf.R_386_GOTOFF or (kind == elf.R_386_PC32 and (in_code or in_data))
        if not refused:
            return False
        text = f"relocation {elf.RELOCATION_NAMES[self.context.machine][kind]} against STT_GNU_IFUNC symbol `{name}' isn't supported"
        if not self.context.is64 and kind == elf.R_386_PC32 and section.flags & elf.SHF_EXECINSTR:
            text = f"unsupported non-PIC call to IFUNC `{name}'"
        place, line = self.context.where(section, found.relocation.offset)
        self.context.say(
            "error",
            text,
            place,
            line=line,
            help=f"`{name}' is chosen when the program starts: call it through the PLT (`call {name} wrt ..plt')",
            ld_message=f"{section.file.name}: {text}",
        )
        return True

    def _direct(self, found: Pending, entry: Entry | None, is_size: bool) -> None:
        section, kind = found.section, found.relocation.type
        if (entry is not None or self.is_indirect(found.key)) and not is_size:
            self._refer(section, kind, found.key)
        near = kind in (elf.R_X86_64_PC8, elf.R_X86_64_PC16, elf.R_X86_64_PC32) and self.context.is64
        if near and entry is not None and not section.flags & elf.SHF_WRITE:
            self.distances.append(found)
        if self._may_stay(found, entry, is_size):
            self.pending.append(found)

    def _is_too_short(self, found: Pending) -> bool:
        """Whether the field could not hold an address that is known only when the program starts."""
        if not self.context.is64 or found.relocation.type not in _SHORT_64:
            return False
        entry = found.key if isinstance(found.key, Entry) else None
        if self.context.is_pic:
            bound = entry is None or self.refers_here(entry)
            return not (is_absolute(found.key) and bound)
        return (
            entry is not None
            and entry.dynamic_definition is not None
            and bool(found.section.flags & elf.SHF_WRITE)
        )

    def _refer(self, section: InputSection, kind: int, key: Key) -> None:
        need = self.need(key)
        indirect = self.is_indirect(key)
        code = bool(section.flags & elf.SHF_EXECINSTR)
        read_only = not section.flags & elf.SHF_WRITE
        if code:
            need.zero |= 2
        if self.context.is_shared and not indirect:
            return
        entry = key if isinstance(key, Entry) else None
        here = entry is None or self.is_defined_here(entry)
        pointer = False
        if kind == elf.R_X86_64_PC32:  # R_386_PC32 has the same number
            if not code:
                need.address_matters = True
                library_function = (
                    entry is not None and entry.type == elf.STT_FUNC and entry.dynamic_definition is not None
                )
                if self.context.is64 and self.context.is_pic and library_function:
                    need.needs_plt = need.called = True
        elif kind != elf.R_X86_64_PC64 or not self.context.is64:
            pointer = kind == self.codes.pointer and not read_only
            if not pointer or (not self.context.is_pic and indirect):
                need.address_matters = True
        if not pointer:
            need.direct = True
            if not here or code or read_only:
                need.called = True

    def is_relative(self, kind: int) -> bool:
        return kind in _RELATIVE_64 if self.context.is64 else kind == elf.R_386_PC32

    def _may_stay(self, found: Pending, entry: Entry | None, is_size: bool) -> bool:
        """Whether the dynamic linker may have to apply it (``NEED_DYNAMIC_RELOCATION_P``)."""

        context = self.context
        kind = found.relocation.type
        here = entry is not None and self.is_defined_here(entry)
        if is_absolute(found.key) and context.is_pic and (entry is None or self.refers_here(entry)):
            return False
        if context.is_pic:
            if not self.is_relative(kind):
                return True
            if entry is None:  # of an indirect function it stays without an effect
                return self.is_indirect(found.key) and context.is_shared and not context.is_symbolic
            bound = context.options.kind == "pie" or context.is_symbolic
            return not bound or entry.state == DEFINED_WEAK or not here
        code = found.section.flags & elf.SHF_EXECINSTR
        if self.is_indirect(found.key) and kind == self.codes.pointer and not code:
            return True
        if entry is None:
            return False
        return entry.state == DEFINED_WEAK or not here

    # ---- thread-local storage -----------------------------------------------------------------------------------

    def _access(self, found: Pending, role: int) -> None:
        self.threads.append(found)
        if role == _BLOCK:
            if self.context.is_shared:
                self.local_module = True
            return
        kind = found.relocation.type
        table = _ACCESS_KINDS if self.context.is64 else _ACCESS_KINDS_32
        access = table[kind]
        is_function = isinstance(found.key, Entry) and found.key.type in (elf.STT_FUNC, elf.STT_GNU_IFUNC)
        if not self.context.is_shared and not is_function:
            if not isinstance(found.key, Entry):
                return  # the offset is known
            if access in (GENERAL, DESCRIPTOR):
                access = INITIAL
        elif access & INITIAL:
            self.static_threads = True
        self.want(found.key, access)
        if kind == elf.R_386_TLS_IE and not self.context.is64:
            self.need(found.key).zero &= 2
            if self.context.is_shared:
                self.pending.append(found)

    def _offset_from_thread(self, found: Pending, entry: Entry | None) -> None:
        if entry is not None:
            self.need(entry).zero &= 2
        if not self.context.is_shared:
            return
        if self.context.is64:
            if found.relocation.type == elf.R_X86_64_TPOFF32:
                self.refuse(found.section, found.relocation, found.key)
            return
        self.static_threads = True
        self.pending.append(found)
