"""What the linker works on: input files, their sections and symbols, output sections, the table of global names."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from toolkit.asm.linetable import LineTable

NEW, UNDEFINED, UNDEFINED_WEAK, DEFINED, DEFINED_WEAK, COMMON = range(6)


class Moved(Protocol):
    """Where the parts of a section went whose contents are shared with others' (string merging) or edited (.eh_frame)."""

    def place(self, offset: int) -> int:
        """Offset in the output section of what was at ``offset`` in the input section."""


class InputSymbol(NamedTuple):
    """A row of .symtab as it stands in the file."""

    name: str
    value: int
    size: int
    type: int
    binding: int
    other: int
    section: int  # sh index or SHN_*


class LibraryPlace(NamedTuple):
    """A section of a shared library, as far as variables in it are concerned."""

    writable: bool
    address: int
    alignment: int
    empty: bool  # it takes no room in the file


class Relocation(NamedTuple):
    """``addend`` of a REL entry is None: it is in the field."""

    offset: int
    type: int
    symbol: int
    addend: int | None


@dataclass(eq=False, slots=True)
class InputSection:
    """A section of an input file. ``output`` None: it is not in the output (discarded, or not loaded at all)."""

    file: InputFile
    number: int
    name: str
    type: int
    flags: int
    alignment: int
    entry_size: int
    size: int
    data: bytes | bytearray | memoryview
    link: int = 0
    info: int = 0
    relocations: list[Relocation] = field(default_factory=list)
    relocations_at: int = 0  # the number of the section they are in
    output: OutputSection | None = None
    offset: int = 0
    kept: bool = True
    moved: Moved | None = None
    created: bool = False  # by the linker itself

    @property
    def address(self) -> int:
        """Virtual address after layout."""
        assert self.output is not None
        return self.output.address + self.offset


class SectionGroup(NamedTuple):
    """A SHT_GROUP section: sections that are kept or dropped together. ``symbol`` names it; ``members`` by section number."""

    number: int
    name: str
    flags: int
    symbol: int
    members: list[int]


@dataclass(eq=False, slots=True)
class InputFile:
    """One object. ``name`` as the user gave it; an archive's member is called ``libx.a(member.o)``."""

    name: str
    machine: int = 62
    is64: bool = True
    sections: list[InputSection | None] = field(default_factory=list)  # by section number; None: not content
    symbols: list[InputSymbol] = field(default_factory=list)
    first_global: int = 0
    entries: list[Entry | None] = field(default_factory=list)  # by symbol number - first_global
    lines: LineTable | None = None
    versions: list[tuple[str, bool]] = field(
        default_factory=list
    )  # a library's, by symbol: name, is it the default
    groups: list[tuple[str, list[int]]] = field(default_factory=list)  # COMDAT: signature, member sections
    group_sections: list[SectionGroup] = field(default_factory=list)
    dynamic: bool = False
    soname: str = ""
    needs: list[str] = field(default_factory=list)  # the libraries a library itself asks for
    osabi: int = 0
    places: dict[int, LibraryPlace] = field(default_factory=dict)  # a library's sections
    made: int = 0  # how many sections BFD makes of it
    identifier: int = 0  # of the first of them (``identifiers``)
    has_common: bool = False

    def content(self) -> list[InputSection]:
        """Its sections, in the file's order."""
        return [section for section in self.sections if section is not None]


@dataclass(eq=False, slots=True)
class Entry:
    """One global name. ``value`` is an offset in ``section``, an address when ``section`` is None, a common's alignment."""

    name: str
    state: int = NEW
    section: InputSection | OutputSection | None = None
    value: int = 0
    size: int = 0
    type: int = 0
    visibility: int = 0
    file: InputFile | None = None  # that defined or first mentioned it
    referenced: bool = False  # by an object, not only by a shared library
    strongly: bool = False  # some reference by an object is not weak
    local: bool = False  # forced local: hidden, or provided hidden
    unique: bool = False
    assigned: bool = False  # by --defsym
    dynamic: int = -1  # index in .dynsym
    dynamic_definition: InputSymbol | None = None  # the shared library's symbol
    dynamic_reference: bool = False
    defined_by_library: bool = False  # by some library, whether that counts or not
    wanted_by_library: bool = False  # not weakly
    marked: bool = False
    was_dynamic: bool = False  # a boundary of a section that a library mentions
    protected: bool = False  # by the definition that counts, whatever other files say
    version: str = ""  # of the library's definition: ``GLIBC_2.2.5``

    @property
    def table_name(self) -> str:
        """The name under which BFD's hash table has it."""
        return (
            f"{self.name}@@{self.version}"
            if self.version and self.dynamic_definition is not None
            else self.name
        )

    @property
    def is_defined(self) -> bool:
        return self.state == DEFINED or self.state == DEFINED_WEAK

    @property
    def address(self) -> int:
        """Virtual address after layout (not for common or undefined names)."""
        section = self.section
        if section is None:
            return self.value
        if isinstance(section, OutputSection):
            return section.address + self.value
        if section.output is None:
            return 0
        moved = section.moved
        if moved is not None:
            return section.output.address + moved.place(self.value)
        return section.output.address + section.offset + self.value


@dataclass(eq=False, slots=True)
class OutputSection:
    """A section of the output. ``position`` orders it among the script's statements."""

    name: str
    position: tuple[int, ...]
    type: int = 0
    flags: int = 0
    alignment: int = 1
    entry_size: int = 0
    inputs: list[InputSection] = field(default_factory=list)
    size: int = 0
    contents_size: int = 0  # without the alignment the script adds to .bss
    address: int = 0
    file_offset: int = 0
    number: int = 0
    loaded: bool = False  # some input occupies space in the file
    link: int = 0
    info: int = 0
    removed: bool = False
    fixed_address: int | None = None


@lru_cache(maxsize=4096)
def bfd_hash(name: str) -> int:
    """BFD's string hash (bfd/hash.c), on which the order of global symbols in the output depends."""
    value = 0
    raw = name.encode("utf-8", "surrogateescape")
    for byte in raw:
        value = (value + byte + (byte << 17)) & 0xFFFFFFFFFFFFFFFF
        value ^= value >> 2
    length = len(raw)
    value = (value + ((length + (length << 17)) & 0xFFFFFFFF)) & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 2)


_SIZES = (4051, 4093, 8191, 16381, 32749, 65521, 131071, 262139, 524287, 1048573)


class NameTable:
    """The global names in order of first mention, with the iteration order of BFD's hash table.

    A library's default version is in BFD's table as ``name@@VERSION``, ``name`` and ``name@VERSION``; ``all_names`` has all.
    """

    __slots__ = ("all_names", "entries")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.all_names: dict[str, Entry] = {}

    def entry(self, name: str) -> Entry:
        """The entry called ``name``, made when new."""
        found = self.entries.get(name)
        if found is None:
            found = self.entries[name] = Entry(name)
        return found

    def get(self, name: str) -> Entry | None:
        return self.entries.get(name)

    def synchronise(self) -> None:
        """Bring ``all_names`` up to date, before and after it gets versioned names."""
        for name, entry in self.entries.items():
            self.all_names.setdefault(name, entry)

    def in_hash_order(self) -> list[Entry]:
        """All entries as ``bfd_hash_traverse`` visits them: bucket by bucket, the newest of a bucket first."""
        if self.all_names:
            self.synchronise()
            ordered = _grown_order(list(self.all_names))
            return [self.all_names[name] for name in ordered if self.all_names[name].table_name == name]
        entries = list(self.entries.values())
        if len(entries) > _SIZES[0] * 3 // 4:
            return [self.entries[name] for name in _grown_order(list(self.entries))]
        entries.reverse()  # the sort is stable: the newest of a bucket stays first
        entries.sort(key=_small_bucket)
        return entries


def _small_bucket(entry: Entry) -> int:
    return bfd_hash(entry.name) % 4051


def _grown_order(names: list[str]) -> list[str]:
    """The same with the table's growth: each time it is over three quarters full all chains are moved, in runs."""
    level = 0
    size = _SIZES[0]
    buckets: dict[int, list[tuple[int, str]]] = {}
    for count, name in enumerate(names, 1):
        value = bfd_hash(name)
        buckets.setdefault(value % size, []).insert(0, (value, name))
        if count > size * 3 // 4 and level + 1 < len(_SIZES):
            level += 1
            size = _SIZES[level]
            buckets = _rehashed(buckets, size)
    return [name for index in sorted(buckets) for _, name in buckets[index]]


def _rehashed(buckets: dict[int, list[tuple[int, str]]], size: int) -> dict[int, list[tuple[int, str]]]:
    moved: dict[int, list[tuple[int, str]]] = {}
    for index in sorted(buckets):
        chain = buckets[index]
        at = 0
        while at < len(chain):
            end = at + 1
            while end < len(chain) and chain[end][0] == chain[at][0]:
                end += 1
            target = moved.setdefault(chain[at][0] % size, [])
            target[:0] = chain[at:end]
            at = end
    return moved


class StringTable:
    """A string table as BFD writes it: each string once, one that ends another shares its tail (elf-strtab.c)."""

    __slots__ = ("_strings", "offsets", "size")

    def __init__(self) -> None:
        self._strings: dict[bytes, bool] = {}  # in order of first addition; whether it is wanted
        self.offsets: dict[bytes, int] = {}
        self.size = 1

    def add(self, string: bytes) -> None:
        if string:
            self._strings[string] = True

    def discard(self, string: bytes) -> None:
        """Leave a string out; added again it stands where it did."""
        if string in self._strings:
            self._strings[string] = False

    def finish(self) -> bytes:
        """Assign the offsets, in order of addition, and return the table."""
        wanted = [string for string, is_wanted in self._strings.items() if is_wanted]
        ordered = sorted(string[::-1] for string in wanted)
        holder: dict[bytes, bytes] = {}
        longest: bytes | None = None
        for string in reversed(ordered):
            if longest is not None and longest.startswith(string):
                holder[string[::-1]] = longest[::-1]
            else:
                longest = string
        parts = [b"\0"]
        offset = 1
        for string in wanted:
            if string not in holder:
                self.offsets[string] = offset
                parts.append(string + b"\0")
                offset += len(string) + 1
        for string, whole in holder.items():
            self.offsets[string] = self.offsets[whole] + len(whole) - len(string)
        self.offsets[b""] = 0
        self.size = offset
        return b"".join(parts)
