"""What an assembled file consists of before it is written: sections with their fixups, and symbols.

``elfwrite.write`` turns a ``Module`` into the bytes of a relocatable ELF file. Sections and symbols are compared
by identity, because they are the bases of ``Value.terms``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.abi.elf import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_TLS,
    SHF_WRITE,
    SHT_FINI_ARRAY,
    SHT_INIT_ARRAY,
    SHT_NOBITS,
    SHT_NOTE,
    SHT_PREINIT_ARRAY,
    SHT_PROGBITS,
)

if TYPE_CHECKING:
    from toolkit.asm.diagnostics import Diagnostic
    from toolkit.asm.statement import Fixup


@dataclass(eq=False, slots=True)
class Section:
    """One section. ``type`` is an SHT_*, ``flags`` SHF_*, ``alignment`` in bytes (1: none asked).

    ``contents`` grows as statements are placed; a NOBITS section only grows ``size``. The offsets of ``fixups`` count from
    the section's start.
    """

    name: str
    type: int = SHT_PROGBITS
    flags: int = SHF_ALLOC
    alignment: int = 1
    entry_size: int = 0
    contents: bytearray = field(default_factory=bytearray)
    size: int = 0  # bytes of a NOBITS section; else len(contents) counts
    fixups: list[Fixup] = field(default_factory=list)
    attributes: dict[str, int | str] = field(default_factory=dict)  # bin: vstart, start, follows …

    @property
    def length(self) -> int:
        """Size in bytes, whatever the type."""
        return self.size if self.type == SHT_NOBITS else len(self.contents)

    def __repr__(self) -> str:
        return f"<Section {self.name} {self.length:#x}>"


@dataclass(eq=False, slots=True)
class Symbol:
    """A label or a name from outside.

    ``binding``: ``local``, ``global``, ``weak`` (defined here or, without a section, elsewhere), ``extern``,
    ``required`` (extern even when nothing refers to it) or ``common``. ``value`` is the offset in ``section``; without a section the
    absolute value, or the alignment of a common symbol. ``type`` is ``""`` (as nasm chooses), ``function``, ``data``, ``object``
    or ``notype``; ``visibility`` ``default``, ``internal``, ``hidden`` or ``protected``. ``defined`` is False for extern, required, common
    and for a weak symbol of another file. An extern is written only when ``referenced``.
    """

    name: str
    section: Section | None = None
    value: int = 0
    binding: str = "local"
    type: str = ""
    size: int = 0
    visibility: str = "default"
    defined: bool = True
    referenced: bool = False

    def __repr__(self) -> str:
        return f"<Symbol {self.name} {self.binding}>"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A field that the object format has no relocation for; ``message`` is nasm's. ``offset`` is the field's, in bytes."""

    section: Section
    offset: int
    message: str


@dataclass(slots=True)
class Module:
    """The result of the last pass. ``sections`` in order of first use, ``symbols`` in order of definition or declaration.

    ``source_name`` is the file as given on nasm's command line (the STT_FILE symbol).
    """

    format: str  # "elf64" | "elf32" | "bin"
    source_name: str
    sections: list[Section] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)  # filled by elfwrite.write
    osabi: int = 0  # the ELF header's, by the OSABI directive
    abi_version: int = 0


_KNOWN: dict[str, tuple[int, int, int]] = {
    ".text": (SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16),
    ".rodata": (SHT_PROGBITS, SHF_ALLOC, 4),
    ".lrodata": (SHT_PROGBITS, SHF_ALLOC, 4),
    ".data": (SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 4),
    ".ldata": (SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 4),
    ".bss": (SHT_NOBITS, SHF_ALLOC | SHF_WRITE, 4),
    ".lbss": (SHT_NOBITS, SHF_ALLOC | SHF_WRITE, 4),
    ".tdata": (SHT_PROGBITS, SHF_ALLOC | SHF_WRITE | SHF_TLS, 4),
    ".tbss": (SHT_NOBITS, SHF_ALLOC | SHF_WRITE | SHF_TLS, 4),
    ".comment": (SHT_PROGBITS, 0, 1),
    ".preinit_array": (SHT_PREINIT_ARRAY, SHF_ALLOC, 0),
    ".init_array": (SHT_INIT_ARRAY, SHF_ALLOC, 0),
    ".fini_array": (SHT_FINI_ARRAY, SHF_ALLOC, 0),
    ".note": (SHT_NOTE, 0, 4),
}


def new_section(name: str, elf_class: int = 64) -> Section:
    """A section with the type, flags and alignment nasm gives this name (nasm manual 8.9.2).

    ``elf_class`` is 32 or 64: the init arrays are aligned to a pointer.
    """
    kind, flags, alignment = _KNOWN.get(name, (SHT_PROGBITS, SHF_ALLOC, 1))
    pointer = elf_class // 8
    return Section(name, kind, flags, alignment or pointer, 0 if alignment else pointer)
