"""Fields that are not a plain address or distance: the GOT, the PLT and thread-local storage have a part in them.

``Special`` computes their values. What it knows is built up in steps by the classes above it: ``needs`` (who defines what),
``scan`` (what the relocations ask for), ``allocate`` (places in the tables), ``indirect`` (functions chosen at start),
``threads`` (rewritten accesses), and at the top ``static`` or ``dynamic``.
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.abi import elf
from toolkit.asm.link import relax64, relax386
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import UNDEFINED_WEAK, Entry, InputFile, InputSection, Relocation

_PLAIN_64 = frozenset((0, 1, 2, 4, 10, 11, 12, 13, 14, 15, 24))
_PLAIN_32 = frozenset((0, 1, 2, 4, 20, 21, 22, 23))

Key = Entry | tuple[InputFile, int]
ADDRESS, TP_OFFSET, MODULE, TP_NEGATED = range(4)


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
        self.got_section: InputSection | None = None
        self.got_plt: InputSection | None = None
        self.needs_base = False  # _GLOBAL_OFFSET_TABLE_ is referred to
        self.uses_table = False  # distances from it are

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
        """The address that a call of ``key`` goes to."""
        return self.own_address(key)

    def target(self, key: Key, found: int | None) -> int | None:
        """What a plain reference to ``key`` gets instead of ``found``."""
        return found

    def own_address(self, key: Key) -> int:
        from toolkit.asm.link.relocate import address_of, entry_address

        if isinstance(key, Entry):
            return entry_address(key) or 0
        return address_of(self.context, *key) or 0

    def value_of(
        self, relocation: Relocation, key: Key, section: InputSection, place: int
    ) -> tuple[int, int] | None:
        """(value, size of the field in bytes) of a relocation that is not plain; None when it is not supported."""
        in_code = bool(section.flags & elf.SHF_EXECINSTR)
        offset, kind, _, addend = relocation
        if self.context.is64:
            return _value64(self, kind, addend or 0, key, place, in_code)
        found = relax386.value_of(self, kind, addend or 0, key, place, in_code)
        if found is not None and relax386.is_baseless(section, offset, kind):
            return found[0] + self.base(), found[1]
        return found

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


def is_weak_undefined(key: Key | None) -> bool:
    return isinstance(key, Entry) and key.state == UNDEFINED_WEAK


# what the script for shared objects PROVIDEs, for other modules too unless it is hidden
PROVIDED = frozenset(("_edata", "edata", "__bss_start", "_end", "end", "etext", "_etext", "__etext"))
# what the script for programs does not hide, in its order but for the last three, which it always defines
SHOWN = ("__executable_start", "__etext", "_etext", "etext", "edata", "end", "_edata", "__bss_start", "_end")
BY_LINKER = frozenset(
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
        "__rel_iplt_start",
        "__rel_iplt_end",
        "_GLOBAL_OFFSET_TABLE_",
    ]
)


def absolute_value(key: Key) -> int | None:
    """The number a name stands for; None where it is a place, or not defined by this link."""
    if isinstance(key, Entry):
        is_number = key.is_defined and key.section is None and key.dynamic_definition is None
        return key.value if is_number else None
    file, number = key
    symbol = file.symbols[number]
    return symbol.value if symbol.section == elf.SHN_ABS else None


def is_absolute(key: Key) -> bool:
    return absolute_value(key) is not None


def _value64(
    special: Special, kind: int, a: int, key: Key, place: int, in_code: bool
) -> tuple[int, int] | None:
    """(value, size of the field in bytes) of an x86-64 relocation that is not plain; None when it is not supported."""
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
    if kind == elf.R_X86_64_GOTTPOFF and (key, TP_OFFSET) in got:
        return where + got[key, TP_OFFSET].offset + a - place, 4
    if kind in (elf.R_X86_64_SIZE32, elf.R_X86_64_SIZE64):
        size = key.size if isinstance(key, Entry) else key[0].symbols[key[1]].size
        return size + a, 4 if kind == elf.R_X86_64_SIZE32 else 8
    return None
