"""ELF files as exec reads them: headers, interpreter, sizes, symbols (fs/binfmt_elf.c, elf(5))."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import TYPE_CHECKING

from toolkit.abi import elf
from toolkit.abi import files as f
from toolkit.abi.errno import Errno
from toolkit.abi.memory import (
    PAGE_SIZE,
)
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.fs.vfs import RegularFile

if TYPE_CHECKING:
    from collections.abc import Sequence


PROGRAM_HEADERS_MAXIMUM = 65536
MASK = (1 << 64) - 1
PAGE_LOW = PAGE_SIZE - 1


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header."""

    kind: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    align: int


@dataclass(frozen=True, slots=True)
class Image:
    """The headers of an ELF file that can be executed."""

    file: RegularFile
    bits: int
    kind: int
    entry: int
    header_offset: int
    header_size: int
    segments: tuple[Segment, ...]

    @property
    def loads(self) -> tuple[Segment, ...]:
        """The PT_LOAD segments."""
        return tuple(segment for segment in self.segments if segment.kind == elf.PT_LOAD)


def read_image(file: RegularFile, failure: Errno = Errno.ENOEXEC) -> Image:
    """Parse and check the ELF headers as load_elf_binary does; `failure` otherwise (ELIBBAD for an interpreter)."""
    head = file.pages.read(0, elf.EHDR64.size)
    if len(head) < 20 or head[:4] != elf.ELF_MAGIC:
        raise SyscallError(failure)
    machine = int.from_bytes(head[18:20], "little")
    bits = {elf.EM_X86_64: 64, elf.EM_386: 32, 6: 32}.get(machine)
    if bits is None:
        raise SyscallError(failure)
    header, segment_layout = (elf.EHDR64, elf.PHDR64) if bits == 64 else (elf.EHDR32, elf.PHDR32)
    head = head.ljust(header.size, b"\0")
    _, kind, _, _, entry, offset, _, _, _, entry_size, count, *_ = header.unpack(head[: header.size])
    size = segment_layout.size * count
    if kind not in (elf.ET_EXEC, elf.ET_DYN) or entry_size != segment_layout.size:
        raise SyscallError(failure)
    if size == 0 or size > PROGRAM_HEADERS_MAXIMUM or offset >= 1 << 63:
        raise SyscallError(failure)
    table = file.pages.read(offset, size)
    if len(table) != size:
        raise SyscallError(failure)
    segments = tuple(segment_of(fields, bits) for fields in segment_layout.iter_unpack(table))
    return Image(file, bits, kind, entry, offset, size, segments)


def segment_of(fields: tuple[int, ...], bits: int) -> Segment:
    """A program header from its fields in either class's order."""
    if bits == 64:
        kind, flags, offset, address, _, file_size, memory_size, align = fields
    else:
        kind, offset, address, _, file_size, memory_size, flags, align = fields
    return Segment(kind, flags, offset, address, file_size, memory_size, align)


def interpreter_path(image: Image) -> bytes | None:
    """The PT_INTERP string: ENOEXEC when it is too long, empty or not terminated, EIO when the file ends in it."""
    for segment in image.segments:
        if segment.kind != elf.PT_INTERP:
            continue
        if not 2 <= segment.file_size <= f.PATH_MAX:
            raise SyscallError(Errno.ENOEXEC)
        text = image.file.pages.read(segment.offset, segment.file_size) if segment.offset < 1 << 63 else b""
        if len(text) != segment.file_size:
            raise SyscallError(Errno.EIO if segment.offset < 1 << 63 else Errno.EINVAL)
        if text[-1]:
            raise SyscallError(Errno.ENOEXEC)
        return text.split(b"\0")[0]
    return None


def total_mapping_size(loads: Sequence[Segment]) -> int:
    """Bytes from the first page of the lowest segment to the end of the highest (total_mapping_size())."""
    low = min((segment.address & ~PAGE_LOW for segment in loads), default=MASK)
    high = max((segment.address + segment.memory_size for segment in loads), default=0)
    return (high - low) & MASK if loads else 0


def maximum_alignment(loads: Sequence[Segment]) -> int:
    """The largest power-of-two p_align, at least a page."""
    aligns = [segment.align for segment in loads if segment.align and not segment.align & (segment.align - 1)]
    return max([*aligns, PAGE_SIZE])


def dynamic_symbols(data: bytes) -> dict[str, int]:
    """The symbols of .dynsym: a vDSO's functions."""
    return dict(read_symbols(data, 0, elf.SHT_DYNSYM))


def symbol_addresses(data: bytes, bias: int = 0) -> dict[str, int]:
    """The symbols of an ELF file's .symtab with their addresses; {} where there is none or it is damaged."""
    try:
        return dict(read_symbols(data, bias))
    except (struct_error, IndexError, ValueError):
        return {}


def read_symbols(data: bytes, bias: int, kind: int = elf.SHT_SYMTAB) -> list[tuple[str, int]]:
    """Names and values of the defined symbols."""
    wide = data[4:5] == b"\x02"
    header, section, symbol = (
        (elf.EHDR64, elf.SHDR64, elf.SYM64) if wide else (elf.EHDR32, elf.SHDR32, elf.SYM32)
    )
    fields = header.unpack_from(data)
    offset, count = fields[6], fields[12]
    sections = [section.unpack_from(data, offset + index * section.size) for index in range(count)]
    found = []
    for entry in sections:
        if entry[1] != kind or entry[6] >= count:
            continue
        names = sections[entry[6]]
        table = data[names[4] : names[4] + names[5]]
        found += symbols_of(data[entry[4] : entry[4] + entry[5]], table, symbol, wide, bias)
    return found


def symbols_of(entries: bytes, names: bytes, layout: Struct, wide: bool, bias: int) -> list[tuple[str, int]]:
    """The symbols of one table."""
    found = []
    for fields in layout.iter_unpack(entries[: len(entries) // layout.size * layout.size]):
        if wide:
            name, _, _, index, value, _ = fields
        else:
            name, value, _, _, _, index = fields
        if name and index and name < len(names):
            text = names[name : names.index(0, name)]
            found.append((text.decode("utf-8", "replace"), value + bias))
    return found
