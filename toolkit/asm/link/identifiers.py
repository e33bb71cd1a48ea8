"""Orders in the output that come from the memory of ld: BFD numbers every section it makes, and hashes local symbols by the numbers.

A local indirect function is found by the identifier of its file's first section (elfxx-x86.c ``_bfd_elf_x86_get_local_sym_hash``),
in a table of libiberty's (hashtab.c), and gets its places when the table is traversed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.abi import elf

if TYPE_CHECKING:
    from toolkit.asm.link.context import Context
    from toolkit.asm.link.model import InputFile

FIRST = 0x10  # those below are BFD's own: absolute, undefined, common …
_PRIMES = (
    7,
    13,
    31,
    61,
    127,
    251,
    509,
    1021,
    2039,
    4093,
    8191,
    16381,
    32749,
    65521,
    131071,
    262139,
    524287,
    1048573,
    2097143,
)
_START = 2039  # the table's size when it is empty


def count_sections(rows: Sequence[tuple[int, ...]], names_at: int) -> int:
    """How many sections BFD makes of a file's section headers (elf.c ``bfd_section_from_shdr``)."""
    tables = {number for number, row in enumerate(rows) if row[1] == elf.SHT_SYMTAB}
    texts = {names_at, *(rows[number][6] for number in tables)}
    count = 0
    for number, row in enumerate(rows):
        kind, is_loaded = row[1], row[2] & elf.SHF_ALLOC
        if kind in (elf.SHT_NULL, elf.SHT_SYMTAB, elf.SHT_SYMTAB_SHNDX) or number in texts:
            continue
        count += kind not in (elf.SHT_RELA, elf.SHT_REL) or bool(is_loaded)
    return count


class Identifiers:
    """The next section's identifier, as the inputs are opened one by one."""

    __slots__ = ("dynamic", "next")

    def __init__(self) -> None:
        self.next = FIRST
        self.dynamic = False  # the dynamic sections are made

    def open(self, file: InputFile) -> None:
        """Number the sections of a file that is opened for the first time."""
        file.identifier = self.next
        self.next += file.made

    def add_common(self, file: InputFile) -> None:
        """The section COMMON of a file, made when the first of its commons counts."""
        if not file.has_common:
            file.has_common = True
            self.next += 1

    def make_dynamic(self, context: Context) -> None:
        """What a dynamic link adds at its first object or library: .dynsym, .plt, .got and more, needed or not."""
        if self.dynamic:
            return
        self.dynamic = True
        self.next += 14 if context.options.hash_style != "both" else 15
        if not context.is_shared:  # relocations of copies, and .interp
            self.next += 2 + (context.options.dynamic_linker is not None)


def traversed(keys: Sequence[tuple[int, int]]) -> list[int]:
    """In which order libiberty visits local symbols (identifier, number) that were entered one after the other; their indices."""
    hashes = [_local_hash(*key) for key in keys]
    table: list[int | None] = [None] * _START
    for index, key in enumerate(hashes):
        if len(table) * 3 <= index * 4:
            table = _resized(table, hashes, index)
        table[_free_slot(table, key)] = index
    if len(hashes) * 8 < len(table):
        table = _resized(table, hashes, len(hashes))
    return [index for index in table if index is not None]


def _local_hash(identifier: int, number: int) -> int:
    """``ELF_LOCAL_SYMBOL_HASH``."""
    low = (identifier & 0xFF) << 24 | (identifier & 0xFF00) << 8
    return low ^ number ^ (identifier >> 16 & 0xFFFF)


def _resized(table: list[int | None], hashes: list[int], count: int) -> list[int | None]:
    size = len(table)
    if count * 2 > size or (count * 8 < size and size > 32):
        size = next(prime for prime in _PRIMES if prime >= count * 2)
    moved: list[int | None] = [None] * size
    for index in table:
        if index is not None:
            moved[_free_slot(moved, hashes[index])] = index
    return moved


def _free_slot(table: list[int | None], key: int) -> int:
    size = len(table)
    slot = key % size
    step = 1 + key % (size - 2)
    while table[slot] is not None:
        slot = (slot + step) % size
    return slot
