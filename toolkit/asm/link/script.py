"""GNU ld's default linker script as data: which output section an input section goes to, and in what order.

Source: ``ld --verbose`` of binutils 2.40, ``-z separate-code``. Output statements are numbered in script order; what happens
between them (alignments, symbols) is in ``layout.py`` at the positions named here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

PLAIN, BY_NAME, BY_PRIORITY = range(3)
# files whose name ends in crtbegin.o, crtbeginX.o, crtend.o, crtendX.o
ORDINARY, CRT_BEGIN, CRT_END = range(3)


class Place(NamedTuple):
    """Where an input section goes: output statement number, its name, the input description's rank in it, and its sorting."""

    statement: int
    name: str
    rank: int
    sort: int


def _linkonce(letter: str) -> str:
    return f".gnu.linkonce.{letter}.*"


# (output section, [(patterns, sorting), ...]); a pattern ending in * is a prefix
_STATEMENTS: list[tuple[str, list[tuple[str, int]]]] = [
    (".interp", [(".interp", 0)]),
    (".note.gnu.build-id", [(".note.gnu.build-id", 0)]),
    (".hash", [(".hash", 0)]),
    (".gnu.hash", [(".gnu.hash", 0)]),
    (".dynsym", [(".dynsym", 0)]),
    (".dynstr", [(".dynstr", 0)]),
    (".gnu.version", [(".gnu.version", 0)]),
    (".gnu.version_d", [(".gnu.version_d", 0)]),
    (".gnu.version_r", [(".gnu.version_r", 0)]),
    (".rela.dyn", [(".rela.dyn", 0)]),
    (".rela.plt", [(".rela.plt", 0), (".rela.iplt", 0)]),
    (".rel.dyn", [(".rel.dyn", 0)]),
    (".rel.plt", [(".rel.plt", 0), (".rel.iplt", 0)]),
    (".relr.dyn", [(".relr.dyn", 0)]),
    (".init", [(".init", 0)]),
    (".plt", [(".plt .iplt", 0)]),
    (".plt.got", [(".plt.got", 0)]),
    (".plt.sec", [(".plt.sec", 0)]),
    (
        ".text",
        [
            (".text.unlikely .text.*_unlikely .text.unlikely.*", 0),
            (".text.exit .text.exit.*", 0),
            (".text.startup .text.startup.*", 0),
            (".text.hot .text.hot.*", 0),
            (".text.sorted.*", BY_NAME),
            (f".text .stub .text.* {_linkonce('t')}", 0),
            (".gnu.warning", 0),
        ],
    ),
    (".fini", [(".fini", 0)]),
    (".rodata", [(f".rodata .rodata.* {_linkonce('r')}", 0)]),
    (".rodata1", [(".rodata1", 0)]),
    (".eh_frame_hdr", [(".eh_frame_hdr .eh_frame_entry .eh_frame_entry.*", 0)]),
    (".eh_frame", [(".eh_frame", 0), (".eh_frame.*", 0)]),  # ONLY_IF_RO
    (".sframe", [(".sframe .sframe.*", 0)]),
    (".gcc_except_table", [(".gcc_except_table .gcc_except_table.*", 0)]),
    (".gnu_extab", [(".gnu_extab*", 0)]),
    (".exception_ranges", [(".exception_ranges*", 0)]),
    (".eh_frame", [("?.eh_frame", 0)]),  # ONLY_IF_RW: reached by writable_twin
    (".sframe", [("?.sframe", 0)]),
    (".gnu_extab", [("?.gnu_extab", 0)]),
    (".gcc_except_table", [("?.gcc_except_table", 0)]),
    (".exception_ranges", [("?.exception_ranges", 0)]),
    (".tdata", [(f".tdata .tdata.* {_linkonce('td')}", 0)]),
    (".tbss", [(f".tbss .tbss.* {_linkonce('tb')}", 0), (".tcommon", 0)]),
    (".preinit_array", [(".preinit_array", 0)]),
    (".init_array", [(".init_array.* .ctors.*", BY_PRIORITY), (".init_array .ctors", 0)]),
    (".fini_array", [(".fini_array.* .dtors.*", BY_PRIORITY), (".fini_array .dtors", 0)]),
    (".ctors", [("!crtbegin .ctors", 0), (".ctors", 0)]),
    (".dtors", [("!crtbegin .dtors", 0), (".dtors", 0)]),
    (".jcr", [(".jcr", 0)]),
    (
        ".data.rel.ro",
        [
            (".data.rel.ro.local* .gnu.linkonce.d.rel.ro.local.*", 0),
            (".data.rel.ro .data.rel.ro.* .gnu.linkonce.d.rel.ro.*", 0),
        ],
    ),
    (".dynamic", [(".dynamic", 0)]),
    (".got", [(".got", 0), (".igot", 0)]),
    (".got.plt", [(".got.plt", 0), (".igot.plt", 0)]),
    (".data", [(f".data .data.* {_linkonce('d')}", 0)]),
    (".data1", [(".data1", 0)]),
    ("", []),  # _edata is assigned, and orphans behind .data1 come after that
    (".bss", [(".dynbss", 0), (f".bss .bss.* {_linkonce('b')}", 0), ("COMMON", 0)]),
    (".lbss", [(".dynlbss", 0), (f".lbss .lbss.* {_linkonce('lb')}", 0), ("LARGE_COMMON", 0)]),
    (".lrodata", [(f".lrodata .lrodata.* {_linkonce('lr')}", 0)]),
    (".ldata", [(f".ldata .ldata.* {_linkonce('l')}", 0)]),
]
AT_ZERO = [
    ".stab",
    ".stabstr",
    ".stab.excl",
    ".stab.exclstr",
    ".stab.index",
    ".stab.indexstr",
    ".comment",
    ".gnu.build.attributes",
    ".debug",
    ".line",
    ".debug_srcinfo",
    ".debug_sfnames",
    ".debug_aranges",
    ".debug_pubnames",
    ".debug_info",
    ".debug_abbrev",
    ".debug_line",
    ".debug_frame",
    ".debug_str",
    ".debug_loc",
    ".debug_macinfo",
    ".debug_weaknames",
    ".debug_funcnames",
    ".debug_typenames",
    ".debug_varnames",
    ".debug_pubtypes",
    ".debug_ranges",
    ".debug_addr",
    ".debug_line_str",
    ".debug_loclists",
    ".debug_macro",
    ".debug_names",
    ".debug_rnglists",
    ".debug_str_offsets",
    ".debug_sup",
    ".gnu.attributes",
]
_EXTRA = {
    ".gnu.build.attributes": " .gnu.build.attributes.*",
    ".debug_info": " .gnu.linkonce.wi.*",
    ".debug_line": " .debug_line.* .debug_line_end",
}
_STATEMENTS += [(name, [(name + _EXTRA.get(name, ""), 0)]) for name in AT_ZERO]

NAMES = tuple(name for name, _ in _STATEMENTS)
AFTER_SCRIPT = len(NAMES)
NUMBER: dict[str, int] = {}
for _number, (_name, _) in enumerate(_STATEMENTS):
    NUMBER.setdefault(_name, _number)
DATA1, EDATA = NUMBER[".data1"], NUMBER[""]
INIT, FINI, RODATA, TDATA = NUMBER[".init"], NUMBER[".fini"], NUMBER[".rodata"], NUMBER[".tdata"]
DATA_START = NUMBER[".exception_ranges"] + 1  # DATA_SEGMENT_ALIGN stands before this statement
RELRO_END = NUMBER[".got.plt"]  # DATA_SEGMENT_RELRO_END stands before this one
BSS, LBSS, LRODATA, LDATA = NUMBER[".bss"], NUMBER[".lbss"], NUMBER[".lrodata"], NUMBER[".ldata"]
LARGE = (LBSS, LRODATA, LDATA)  # which the 32-bit script lacks
AFTER_ALL = LDATA + 1  # ". = ALIGN; _end = ." stand before this one
RELRO_NAMES = frozenset(name for name, _ in _STATEMENTS[DATA_START:RELRO_END])
DISCARDED = (".note.GNU-stack", ".gnu_debuglink")
_TWINS = {
    name: number for number, (name, _) in enumerate(_STATEMENTS) if DATA_START <= number < NUMBER[".tdata"]
}


def writable_twin(name: str) -> int | None:
    """The ONLY_IF_RW statement of an output section that has one."""
    return _TWINS.get(name)


_EXACT: dict[str, Place] = {}
_PREFIXES: list[tuple[str, str, Place]] = []


def _compile() -> None:
    for number, (output, descriptions) in enumerate(_STATEMENTS):
        for rank, (patterns, sort) in enumerate(descriptions):
            if patterns[0] in "?!":
                continue
            place = Place(number, output, rank, sort)
            for pattern in patterns.split():
                prefix, star, suffix = pattern.partition("*")
                if star:
                    _PREFIXES.append((prefix, suffix, place))
                else:
                    _EXACT.setdefault(pattern, place)


_compile()


@lru_cache(maxsize=2048)
def place_of(name: str, crt: int = ORDINARY) -> Place | None:
    """The first input description of the script that matches a section's name; None: it is an orphan."""
    if crt != ORDINARY and name in (".ctors", ".dtors"):
        number = NUMBER[name]
        return Place(number, name, 0 if crt == CRT_BEGIN else 3, PLAIN)
    best = _EXACT.get(name)
    for prefix, suffix, place in _PREFIXES:
        if best is not None and place[:3] >= (best.statement, best.name, best.rank):
            if place.statement >= best.statement:
                break
            continue
        if name.startswith(prefix) and name.endswith(suffix) and len(name) >= len(prefix) + len(suffix):
            best = place
            break
    return best


def bound_now(place: Place) -> Place:
    """The place in the script for -z now, where .got.plt is the first part of .got."""
    rank = place.rank + (2 if place.name == ".got" else 0)
    return Place(NUMBER[".got"], ".got", rank, PLAIN)


def is_discarded(name: str) -> bool:
    """Whether the script's /DISCARD/ takes it."""
    return name in DISCARDED or name.startswith(".gnu.lto_")


def crt_kind(file_name: str) -> int:
    """Whether a file is gcc's crtbegin or crtend, whose .ctors have a place of their own."""
    base = file_name.rpartition("/")[2].rstrip(")")
    for stem, kind in (("crtbegin", CRT_BEGIN), ("crtend", CRT_END)):
        if base.endswith(".o") and stem in base[-len(stem) - 3 :]:
            return kind
    return ORDINARY


def priority(name: str) -> int | None:
    """The number .init_array.N and its kin are sorted by; .ctors.N and .dtors.N count backwards from 65535."""
    digits = name.rpartition(".")[2]
    if not digits.isdigit():
        return None
    number = int(digits)
    return 65535 - number if name.startswith((".ctors", ".dtors")) else number


def is_debugging(name: str) -> bool:
    """BFD's SEC_DEBUGGING for sections that are not loaded."""
    return name.startswith(
        (".debug", ".gnu.debuglto_.debug_", ".gnu.linkonce.wi.", ".zdebug", ".line", ".stab")
    ) or (name == ".gdb_index")
