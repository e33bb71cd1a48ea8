"""Which links need more than plain addresses, and the tables they get (see ``special``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import DEFINED, NEW, Entry
from toolkit.asm.link.special import Special

if TYPE_CHECKING:
    from toolkit.asm.link.dynamic import Dynamic
    from toolkit.asm.link.static import Static

_PLAIN_64 = frozenset((0, 1, 2, 4, 10, 11, 12, 13, 14, 15, 24))
_PLAIN_32 = frozenset((0, 1, 2, 4, 20, 21, 22, 23))


def make(context: Context) -> Dynamic | Static | None:
    """Look at every relocation of loaded sections once; None when all of them are plain."""
    base = context.names.get("_GLOBAL_OFFSET_TABLE_")
    is_plain = not context.is_dynamic and not _has_indirect(context) and _only_plain(context)
    if is_plain and (base is None or not _is_used(context, base)):
        _define_base(None, base)
        return None
    if context.is_dynamic:
        from toolkit.asm.link.dynamic import Dynamic

        dynamic = Dynamic(context)
        dynamic.record_names()
        special: Dynamic | Static = dynamic
    else:
        from toolkit.asm.link.static import Static

        special = Static(context)
    special.needs_base = base is not None and _is_used(context, base)
    for file in context.files:
        for section in file.sections:
            if section is not None and section.kept and section.relocations and section.flags & elf.SHF_ALLOC:
                special.scan_section(file, section)
    special.allocate()
    _define_base(special, context.names.get("_GLOBAL_OFFSET_TABLE_"))
    return special


def _only_plain(context: Context) -> bool:
    plain = _PLAIN_64 if context.is64 else _PLAIN_32
    return all(
        r.type in plain
        for file in context.files
        for section in file.sections
        if section is not None and section.kept
        for r in section.relocations
    )


def _has_indirect(context: Context) -> bool:
    return any(entry.type == elf.STT_GNU_IFUNC for entry in context.names.entries.values()) or any(
        s.type == elf.STT_GNU_IFUNC for f in context.files for s in f.symbols[: f.first_global]
    )


def _is_used(context: Context, entry: Entry) -> bool:
    """Whether a relocation names it."""
    return any(
        r.symbol >= file.first_global and file.entries[r.symbol - file.first_global] is entry
        for file in context.files
        for section in file.sections
        if section is not None and section.kept and section.flags & elf.SHF_ALLOC
        for r in section.relocations
    )


def _define_base(special: Special | None, base: Entry | None) -> None:
    """``_GLOBAL_OFFSET_TABLE_`` is the start of .got.plt; without one a mere mention of it is forgotten."""
    if special is not None and special.got_plt is not None and special.got_plt.size:
        base = special.context.names.entry("_GLOBAL_OFFSET_TABLE_")
        base.state, base.section, base.value = DEFINED, special.got_plt, 0
        base.type, base.local = elf.STT_OBJECT, True
    elif base is not None and not base.is_defined:
        base.state, base.referenced = NEW, False
