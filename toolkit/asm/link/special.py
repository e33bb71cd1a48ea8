"""What relocations need beside addresses: GOT entries, indirect functions, thread-local storage.

``scan`` runs before layout: it rewrites code where the link knows the answer (``relax64``), counts GOT and PLT entries and makes
their sections. ``Special.apply`` fills the fields afterwards. x86-64 and i386, static executables; ``dynamic.py`` adds
what shared objects need.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass

from toolkit.abi import elf
from toolkit.asm.link import relax64, relax386
from toolkit.asm.link.assign import created_section
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import DEFINED, NEW, UNDEFINED_WEAK, Entry, InputFile, InputSection, Relocation

_PLAIN_64 = frozenset((0, 1, 2, 4, 10, 11, 12, 13, 14, 15, 24))
_PLAIN_32 = frozenset((0, 1, 2, 4, 20, 21, 22, 23))

Key = Entry | tuple[InputFile, int]
ADDRESS, TP_OFFSET, MODULE, OFFSET = range(4)


@dataclass(eq=False, slots=True)
class GotEntry:
    """One or two words of .got: what kind of value, and at which offset."""

    key: Key
    kind: int
    offset: int = -1


class Special:
    """The GOT, PLT and TLS side of one link."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.got: dict[tuple[Key, int], GotEntry] = {}
        self.functions: dict[Key, int] = {}  # indirect functions: index of the PLT entry
        self.got_section: InputSection | None = None
        self.got_plt: InputSection | None = None
        self.plt: InputSection | None = None
        self.indirect_got: InputSection | None = None
        self.indirect_relocations: InputSection | None = None
        self.needs_base = False
        self.stub_size = 8 if context.is64 else 16  # of an indirect function's PLT entry

    def key(self, file: InputFile, number: int) -> Key:
        if number >= file.first_global:
            entry = file.entries[number - file.first_global]
            assert entry is not None
            return entry
        return (file, number)

    def is_indirect(self, key: Key) -> bool:
        """Whether it is an STT_GNU_IFUNC defined in this link."""
        if isinstance(key, Entry):
            return key.type == elf.STT_GNU_IFUNC and key.is_defined and key.dynamic_definition is None
        file, number = key
        return file.symbols[number].type == elf.STT_GNU_IFUNC

    def is_preemptible(self, key: Key | None) -> bool:
        """Whether only the dynamic linker knows which definition is used."""
        return False

    def address(self, key: Key) -> int:
        """The address a reference gets: of the PLT entry for an indirect function."""
        if key in self.functions and self.plt is not None:
            return self.plt.address + self.functions[key] * self.stub_size
        return self.own_address(key)

    def target(self, key: Key, found: int | None) -> int | None:
        """What a plain reference to ``key`` gets instead of ``found``."""
        return self.address(key) if key in self.functions else found

    def own_address(self, key: Key) -> int:
        from toolkit.asm.link.relocate import address_of, entry_address

        if isinstance(key, Entry):
            return entry_address(key) or 0
        return address_of(self.context, *key) or 0

    def rewrite(
        self, section: InputSection, relocation: Relocation, key: Key | None
    ) -> tuple[Relocation, bool]:
        """The relocation to apply after relaxation, and whether the next one (the call) goes with it."""
        return _rewrite64(self, section, relocation, key)

    def want_got(self, key: Key, kind: int = ADDRESS) -> None:
        self.got.setdefault((key, kind), GotEntry(key, kind))

    def allocate(self) -> None:
        """Make the sections, entries in BFD's order: local symbols file by file, then globals in hash order."""
        context = self.context
        word = context.word
        self.needs_base = self.needs_base or bool(self.got)
        if not self.got and not self.functions and not self.needs_base:
            return
        order = {entry: index for index, entry in enumerate(context.names.in_hash_order())}
        files = {file: index for index, file in enumerate(context.files)}

        def rank(key: Key) -> tuple[int, int, int]:
            return (1, order[key], 0) if isinstance(key, Entry) else (0, files[key[0]], key[1])

        offset = 0
        for got in sorted(self.got.values(), key=lambda g: (*rank(g.key), g.kind)):
            got.offset = offset
            offset += word * (2 if got.kind == MODULE else 1)
        if offset:
            self.got_section = created_section(context, ".got", 1, 3, word)
            self.got_section.size = offset
        self.got_plt = created_section(context, ".got.plt", 1, 3, word, word)
        self.got_plt.size = 3 * word
        if self.functions:
            self._allocate_functions(sorted(self.functions, key=rank))

    def _allocate_functions(self, keys: list[Key]) -> None:
        context, word = self.context, self.context.word
        count = len(keys)
        self.functions = {key: index for index, key in enumerate(keys)}
        self.plt = created_section(context, ".iplt", 1, 6, self.stub_size)
        self.plt.size = self.stub_size * count
        self.indirect_got = created_section(context, ".igot.plt", 1, 3, word, word)
        self.indirect_got.size = word * count
        name, size, kind = (
            (".rela.iplt", elf.RELA64.size, elf.SHT_RELA)
            if context.is64
            else (".rel.iplt", elf.REL32.size, elf.SHT_REL)
        )
        self.indirect_relocations = created_section(context, name, kind, 2, word, size)
        self.indirect_relocations.size = size * count

    def finish_headers(self) -> None:
        """.rela.plt of a static program names .symtab and .got.plt."""
        section, target = self.indirect_relocations, self.got_plt
        if (
            section is not None
            and section.output is not None
            and target is not None
            and target.output is not None
        ):
            section.output.flags |= elf.SHF_INFO_LINK
            section.output.link = len(self.context.outputs) + 1
            section.output.info = target.output.number

    def base(self) -> int:
        """``_GLOBAL_OFFSET_TABLE_``."""
        return self.got_plt.address if self.got_plt is not None and self.got_plt.output is not None else 0

    def tp_offset(self, key: Key) -> int:
        """Distance of a thread-local symbol from the thread pointer (variant II: negative)."""
        context = self.context
        if context.tls is None:
            return 0
        end = context.tls.address + context.tls_size
        return self.own_address(key) - end

    def block_offset(self, key: Key, in_code: bool) -> int:
        """Offset in the module's TLS block; in relaxed code of a program, from the thread pointer."""
        if in_code and not self.context.is_shared:
            return self.tp_offset(key)
        return self.own_address(key) - (self.context.tls.address if self.context.tls is not None else 0)

    def fill(self, image: bytearray) -> None:
        """Contents of the GOT, PLT and IRELATIVE relocations."""
        word = self.context.word
        mask = (1 << 8 * word) - 1
        if self.got_section is not None and self.got_section.output is not None:
            base = self.got_section.output.file_offset + self.got_section.offset
            for got in self.got.values():
                value = self.tp_offset(got.key) if got.kind == TP_OFFSET else self.address(got.key)
                at = base + got.offset
                if got.kind == MODULE:
                    image[at : at + word] = (1).to_bytes(word, "little")
                    at += word
                    value = self.own_address(got.key) - (self.context.tls.address if self.context.tls else 0)
                image[at : at + word] = (value & mask).to_bytes(word, "little")
        if self.plt is not None:
            self._fill_functions(image)

    def _fill_functions(self, image: bytearray) -> None:
        assert self.plt is not None
        assert self.plt.output is not None
        assert self.indirect_got is not None
        assert self.indirect_got.output is not None
        assert self.indirect_relocations is not None
        assert self.indirect_relocations.output is not None
        word = self.context.word
        slots = self.indirect_got.output.file_offset + self.indirect_got.offset
        stubs = self.plt.output.file_offset + self.plt.offset
        relocations = self.indirect_relocations.output.file_offset + self.indirect_relocations.offset
        last = len(self.functions) - 1
        for key, index in self.functions.items():
            slot = self.indirect_got.address + index * word
            stub = self.plt.address + index * self.stub_size
            target = self.own_address(key)
            if self.context.is64:
                code = b"\xff\x25" + struct.pack("<i", slot - stub - 6)
                row = elf.RELA64.pack(slot, elf.R_X86_64_IRELATIVE, target)
            else:
                code = b"\xff\x25" + struct.pack("<I", slot)
                row = elf.REL32.pack(slot, elf.R_386_IRELATIVE)
            code += b"\x66\x90" if self.context.is64 else b"\x68\0\0\0\0\xe9\0\0\0\0"
            image[stubs + index * self.stub_size : stubs + index * self.stub_size + len(code)] = code
            stored = stub + 6 if self.context.is64 else target
            image[slots + index * word : slots + (index + 1) * word] = stored.to_bytes(word, "little")
            at = relocations + (last - index) * len(row)
            image[at : at + len(row)] = row


def scan(context: Context) -> Special | None:
    """Look at every relocation of loaded sections once; None when all of them are plain."""
    plain = _PLAIN_64 if context.is64 else _PLAIN_32
    special: Special | None = None
    if context.is_dynamic:
        from toolkit.asm.link.dynamic import Dynamic

        special = Dynamic(context)
    indirect = any(entry.type == elf.STT_GNU_IFUNC for entry in context.names.entries.values()) or any(
        s.type == elf.STT_GNU_IFUNC for f in context.files for s in f.symbols[: f.first_global]
    )
    for file in context.files:
        for section in file.sections:
            if section is None or not section.kept or not section.relocations:
                continue
            if not indirect and not context.is_dynamic and all(r.type in plain for r in section.relocations):
                continue
            if special is None:
                special = Special(context)
            if section.flags & elf.SHF_ALLOC:
                _scan_section(special, file, section)
    base = context.names.get("_GLOBAL_OFFSET_TABLE_")
    if special is not None:
        special.allocate()
    elif base is not None and _is_used(context, base):
        special = Special(context)
        special.needs_base = True
        special.allocate()
    _define_base(context, special, base)
    return special


def _is_used(context: Context, entry: Entry) -> bool:
    """Whether a relocation names it."""
    return any(
        r.symbol >= file.first_global and file.entries[r.symbol - file.first_global] is entry
        for file in context.files
        for section in file.sections
        if section is not None
        for r in section.relocations
    )


def _define_base(context: Context, special: Special | None, base: Entry | None) -> None:
    """``_GLOBAL_OFFSET_TABLE_`` is the start of .got.plt; without one a mere mention of it is forgotten."""
    if special is not None and special.got_plt is not None:
        base = context.names.entry("_GLOBAL_OFFSET_TABLE_")
        base.state, base.section, base.value = DEFINED, special.got_plt, 0
        base.type, base.local = elf.STT_OBJECT, True
    elif base is not None and not base.is_defined:
        base.state, base.referenced = NEW, False


def _scan_section(special: Special, file: InputFile, section: InputSection) -> None:
    relocations = section.relocations
    is64 = special.context.is64
    rewrite = special.rewrite if is64 else functools.partial(relax386.rewrite, special)
    skip = False
    for index, relocation in enumerate(relocations):
        if skip:
            skip = False
            relocations[index] = relocation._replace(type=0)
            continue
        key = special.key(file, relocation.symbol) if relocation.symbol else None
        if isinstance(key, Entry) and key.name == "_GLOBAL_OFFSET_TABLE_":
            special.needs_base = True
        if key is not None and special.is_indirect(key) and relocation.type != 0:
            special.functions.setdefault(key, 0)
        changed, skip = rewrite(section, relocation, key)
        if skip:
            _forget_call(special.context)
        relocations[index] = changed


def _forget_call(context: Context) -> None:
    """The call of __tls_get_addr was rewritten: a name that is not defined is not needed any more."""
    if context.options.gc_sections:  # its mark stays on the name
        return
    for name in ("__tls_get_addr", "___tls_get_addr"):
        entry = context.names.get(name)
        if entry is not None and not entry.is_defined:
            entry.referenced = False


def is_weak_undefined(key: Key | None) -> bool:
    return isinstance(key, Entry) and key.state == UNDEFINED_WEAK


def is_resolved(key: Key | None) -> bool:
    """Whether the static link knows its address."""
    return not isinstance(key, Entry) or (key.is_defined and key.dynamic_definition is None)


def _rewrite64(
    special: Special, section: InputSection, relocation: Relocation, key: Key | None
) -> tuple[Relocation, bool]:
    """The relocation to apply after relaxation, and whether the next one (the call) goes with it."""
    offset, kind, symbol, _ = relocation
    if key is None:
        return relocation, False
    if relax64.is_got_load(kind):
        if not special.is_indirect(key) and (is_resolved(key) or is_weak_undefined(key) or _by_linker(key)):
            absolute = _is_absolute(key)
            weak = is_weak_undefined(key)
            changed = relax64.convert_load(
                section, relocation, absolute=absolute, weak_undefined=weak, pic=False
            )
            if changed is not None:
                return changed, False
        special.want_got(key)
    elif kind in (elf.R_X86_64_GOT32, elf.R_X86_64_GOT64, elf.R_X86_64_GOTPCREL64, elf.R_X86_64_GOTPLT64):
        special.want_got(key)
    elif kind in (elf.R_X86_64_GOTPC32, elf.R_X86_64_GOTPC64, elf.R_X86_64_GOTOFF64):
        special.needs_base = True
    elif kind == elf.R_X86_64_GOTTPOFF:
        if relax64.initial_to_local(section, offset):
            return Relocation(offset, elf.R_X86_64_TPOFF32, symbol, 0), False
        special.want_got(key, TP_OFFSET)
    elif kind == elf.R_X86_64_TLSGD:
        at = relax64.general_to_local(section, offset)
        if at is not None:
            return Relocation(at, elf.R_X86_64_TPOFF32, symbol, 0), True
    elif kind == elf.R_X86_64_TLSLD:
        if relax64.local_dynamic_to_local(section, offset):
            return relocation._replace(type=0), True
    elif kind == elf.R_X86_64_GOTPC32_TLSDESC:
        if relax64.descriptor_to_local(section, offset):
            return Relocation(offset, elf.R_X86_64_TPOFF32, symbol, 0), False
    elif kind == elf.R_X86_64_TLSDESC_CALL:
        relax64.writable(section)[offset : offset + 2] = b"\x66\x90"
        return relocation._replace(type=0), False
    return relocation, False


_BY_LINKER = frozenset(
    [
        "_edata",
        "edata",
        "__bss_start",
        "_end",
        "end",
        "__executable_start",
        "__ehdr_start",
        "etext",
        "_etext",
        "__etext",
        "__init_array_start",
        "__init_array_end",
        "__fini_array_start",
        "__fini_array_end",
        "__preinit_array_start",
        "__preinit_array_end",
        "__tdata_start",
        "__rela_iplt_start",
        "__rela_iplt_end",
        "_GLOBAL_OFFSET_TABLE_",
    ]
)


def _by_linker(key: Key) -> bool:
    return isinstance(key, Entry) and (key.name in _BY_LINKER or key.name.startswith(("__start_", "__stop_")))


def _is_absolute(key: Key) -> bool:
    if isinstance(key, Entry):
        return key.is_defined and key.section is None
    file, number = key
    return file.symbols[number].section == elf.SHN_ABS


def value_of(
    special: Special, relocation: Relocation, key: Key, place: int, in_code: bool
) -> tuple[int, int] | None:
    """(value, size of the field in bytes) of a relocation that is not plain; None when it is not supported."""
    _, kind, _, addend = relocation
    a = addend or 0
    if not special.context.is64:
        return relax386.value_of(special, kind, a, key, place, in_code)
    got = special.got
    slot = got.get((key, ADDRESS))
    where = (
        special.got_section.address if special.got_section is not None and special.got_section.output else 0
    )
    if kind == elf.R_X86_64_PLT32:
        return special.address(key) + a - place, 4
    if relax64.is_got_load(kind) and slot is not None:
        return where + slot.offset + a - place, 4
    if kind in (elf.R_X86_64_GOT32, elf.R_X86_64_GOT64, elf.R_X86_64_GOTPLT64) and slot is not None:
        return where + slot.offset - special.base() + a, 4 if kind == elf.R_X86_64_GOT32 else 8
    if kind == elf.R_X86_64_GOTPCREL64 and slot is not None:
        return where + slot.offset + a - place, 8
    if kind == elf.R_X86_64_GOTOFF64:
        return special.address(key) + a - special.base(), 8
    if kind in (elf.R_X86_64_GOTPC32, elf.R_X86_64_GOTPC64):
        return special.base() + a - place, 4 if kind == elf.R_X86_64_GOTPC32 else 8
    if kind in (elf.R_X86_64_TPOFF32, elf.R_X86_64_TPOFF64):
        return special.tp_offset(key) + a, 4 if kind == elf.R_X86_64_TPOFF32 else 8
    if kind in (elf.R_X86_64_DTPOFF32, elf.R_X86_64_DTPOFF64):
        return special.block_offset(key, in_code) + a, 4 if kind == elf.R_X86_64_DTPOFF32 else 8
    if kind == elf.R_X86_64_TLSGD and (key, MODULE) in got:
        return where + got[key, MODULE].offset + a - place, 4
    if kind == elf.R_X86_64_TLSLD and (key, MODULE) in got:
        return where + got[key, MODULE].offset + a - place, 4
    if kind == elf.R_X86_64_GOTTPOFF and (key, TP_OFFSET) in got:
        return where + got[key, TP_OFFSET].offset + a - place, 4
    if kind in (elf.R_X86_64_SIZE32, elf.R_X86_64_SIZE64):
        size = key.size if isinstance(key, Entry) else key[0].symbols[key[1]].size
        return size + a, 4 if kind == elf.R_X86_64_SIZE32 else 8
    return None
