"""What a procedure linkage table looks like, and the numbers of the relocations a dynamic linker applies, for each machine.

Sources: x86-64 psABI 5.2, i386 psABI 5.2, and the layouts BFD chose (elf64-x86-64.c, elf32-i386.c), with and without
ENDBR (indirect branch tracking, when every input's note asks for it).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from toolkit.abi import elf


@dataclass(frozen=True, slots=True)
class Codes:
    """Relocation numbers and the form of a dynamic relocation table."""

    pointer: int
    relative: int
    global_data: int
    jump_slot: int
    copy: int
    indirect: int
    module: int
    module_offset: int
    thread_offset: int
    has_addend: bool
    row: struct.Struct
    symbol_shift: int
    table: str  # prefix of the names of its sections
    interpreter: str  # ld's default; gcc passes another


X86_64 = Codes(
    elf.R_X86_64_64, elf.R_X86_64_RELATIVE, elf.R_X86_64_GLOB_DAT, elf.R_X86_64_JUMP_SLOT, elf.R_X86_64_COPY,
    elf.R_X86_64_IRELATIVE, elf.R_X86_64_DTPMOD64, elf.R_X86_64_DTPOFF64, elf.R_X86_64_TPOFF64,
    True, elf.RELA64, 32, ".rela", "/lib/ld64.so.1",
)  # fmt: skip
I386 = Codes(
    elf.R_386_32, elf.R_386_RELATIVE, elf.R_386_GLOB_DAT, elf.R_386_JUMP_SLOT, elf.R_386_COPY,
    elf.R_386_IRELATIVE, elf.R_386_TLS_DTPMOD32, elf.R_386_TLS_DTPOFF32, elf.R_386_TLS_TPOFF,
    False, elf.REL32, 8, ".rel", "/usr/lib/libc.so.1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """One machine's tables. ``@`` marks in the templates are filled by ``Plt``: G a slot, I the index, P the table's start."""

    header: str
    entry: str  # lazy
    direct: str  # .plt.got and .plt.sec
    resume: int  # where in an entry a slot points first
    frame: bytes
    direct_frame: bytes
    entry_size: int  # what the section header says of .plt
    scale: int  # of the index pushed

    @property
    def has_second(self) -> bool:
        """Whether calls go to .plt.sec, the lazy part being apart."""
        return "G" not in self.entry

    @property
    def direct_size(self) -> int:
        return len(parse(self.direct))


def parse(template: str) -> list[int | str]:
    """Bytes and marks: a mark (G I P, or 1 2 in a header, with + for an address in place of a distance) takes four places."""
    found: list[int | str] = []
    for word in template.split():
        if word[0] == "@":
            found += [word[1:], "", "", ""]
        else:
            found.append(int(word, 16))
    return found


_CIE_64 = "14000000 00000000 01 7a5200 01 78 10 01 1b 0c0708 9001 0000"
_CIE_32 = "14000000 00000000 01 7a5200 01 7c 08 01 1b 0c0404 8801 0000"
_LAZY_FDE_64 = (
    "24000000 1c000000 00000000 00000000 00 0e10 46 0e18 4a 0f 0b 7708 8000 3f1a{}2a332422 00000000"
)
_LAZY_FDE_32 = (
    "24000000 1c000000 00000000 00000000 00 0e08 46 0e0c 4a 0f 0b 7404 7800 3f1a{}2a322422 00000000"
)
_DIRECT_FDE_64 = "14000000 1c000000 00000000 00000000 00 00000000000000"
_DIRECT_FDE_32 = "10000000 1c000000 00000000 00000000 00 000000"
CIE_SIZE = 24
_HEADER_64 = "ff 35 @1 ff 25 @2 0f 1f 40 00"


def _frame(cie: str, fde: str) -> bytes:
    return bytes.fromhex(cie) + bytes.fromhex(fde)


def layout(is64: bool, pic: bool, tracking: bool) -> Layout:
    """The tables of a machine. ``tracking``: with ENDBR."""
    mark = "39" if tracking else "3b"  # how far into an entry the index is already pushed
    if is64:
        frames = _frame(_CIE_64, _LAZY_FDE_64.format(mark)), _frame(_CIE_64, _DIRECT_FDE_64)
        if tracking:
            lazy = "f3 0f 1e fa 68 @I e9 @P 66 90"
            return Layout(_HEADER_64, lazy, "f3 0f 1e fa ff 25 @G 66 0f 1f 44 00 00", 0, *frames, 16, 1)
        return Layout(_HEADER_64, "ff 25 @G 68 @I e9 @P", "ff 25 @G 66 90", 6, *frames, 16, 1)
    frames = _frame(_CIE_32, _LAZY_FDE_32.format(mark)), _frame(_CIE_32, _DIRECT_FDE_32)
    jump = "ff a3 @G" if pic else "ff 25 @G"
    header = "ff b3 04 00 00 00 ff a3 08 00 00 00 " if pic else "ff 35 @1 ff 25 @2 "
    if tracking:
        lazy, direct = "f3 0f 1e fb 68 @I e9 @P 66 90", f"f3 0f 1e fb {jump} 66 0f 1f 44 00 00"
        return Layout(header + "0f 1f 40 00", lazy, direct, 0, *frames, 4, 8)
    return Layout(header + "00 00 00 00", f"{jump} 68 @I e9 @P", f"{jump} 66 90", 6, *frames, 4, 8)


@dataclass(frozen=True, slots=True)
class Plt:
    """Fills a layout's templates. ``base`` is the address the slots of i386 code are relative to; 0: they are absolute."""

    layout: Layout
    is64: bool
    base: int = 0

    def code(self, template: str, start: int, values: dict[str, int]) -> bytes:
        """The bytes of a header or entry at ``start``; ``values`` by mark, addresses but for I, which is a number."""
        body = bytearray()
        for part in parse(template):
            if isinstance(part, int):
                body.append(part)
            elif part:
                body += self._field(part, start + len(body) + 4, values[part])
        return bytes(body)

    def _field(self, mark: str, following: int, value: int) -> bytes:
        if mark == "P" or (self.is64 and mark != "I"):
            value -= following
        elif mark == "G":
            value -= self.base
        return (value & 0xFFFFFFFF).to_bytes(4, "little")
