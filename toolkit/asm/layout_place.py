"""Where the next byte goes: the current section and offset, ABSOLUTE space, and the contents placed so far."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.abi.elf import SHT_NOBITS
from toolkit.asm.expr import Result
from toolkit.asm.objfile import Section
from toolkit.asm.statement import Base, Fixup, Value

MAX_CONTENTS = 256 << 20  # bytes of one section's contents; nasm's own limit is the machine's memory
MAX_OFFSET = 1 << 62


class PlaceError(Exception):
    """A statement can't be placed here; ``message`` is nasm's wording where nasm has one."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Place:
    """The location counter. In ABSOLUTE space ``section`` is None and labels count from ``absolute_base``."""

    def __init__(self, section: Section) -> None:
        self.section: Section | None = section
        self.absolute_base: Base | None = None
        self.absolute_offset = 0
        self.miscounted: dict[Section, int] = {}  # bytes by which nasm writes a NOBITS section too small
        self.has_contents = section.type != SHT_NOBITS

    @property
    def offset(self) -> int:
        """Bytes from the start of the section, or the ABSOLUTE address."""
        section = self.section
        if section is None:
            return self.absolute_offset
        return len(section.contents) if self.has_contents else section.size

    @property
    def base(self) -> Base | None:
        return self.section if self.section is not None else self.absolute_base

    def here(self) -> Result:
        """``$``."""
        base = self.base
        return self.offset if base is None else Value(self.offset, ((base, 1),))

    def start(self) -> Result:
        """``$$``."""
        base = self.base
        return 0 if base is None else Value(0, ((base, 1),))

    def enter(self, section: Section) -> None:
        self.section = section
        self.has_contents = section.type != SHT_NOBITS

    def enter_absolute(self, base: Base | None, offset: int) -> None:
        self.section, self.absolute_base, self.absolute_offset = None, base, offset

    def check_room(self, size: int, what: str) -> None:
        """Raise PlaceError before memory is spent on ``size`` more bytes than a section may hold."""
        limit = MAX_CONTENTS if self.section is not None and self.has_contents else MAX_OFFSET
        if self.offset + size > limit:
            name = self.section.name if self.section is not None else "absolute"
            raise PlaceError(f"{what} would make section `{name}' larger than {limit:,} bytes")

    def write(self, data: bytes, fixups: Sequence[Fixup] = ()) -> str:
        """Append ``data``; its fixups count from its start. Returns a warning, or ""."""
        section = self.section
        if section is None:
            raise PlaceError("attempt to assemble code in [ABSOLUTE] space")
        if not self.has_contents:
            section.size += len(data)
            for f in fixups:
                if f.signed and not f.relative:  # nasm counts these backwards when it sizes the section
                    self.miscounted[section] = self.miscounted.get(section, 0) + 2 * f.size
            return f"attempt to initialize memory in BSS section `{section.name}': ignored" if data else ""
        contents = section.contents
        if fixups:
            start = len(contents)
            for f in fixups:
                section.fixups.append(Fixup(f.offset + start, f.size, f.value, f.relative, f.end, f.signed))
        contents += data
        return ""

    def reserve(self, size: int) -> bool:
        """Leave ``size`` bytes; True when they had to be written as zeros because the section has contents."""
        section = self.section
        if section is None:
            self.absolute_offset += size
            return False
        if not self.has_contents:
            section.size += size
            return False
        section.contents += bytes(size)
        return size > 0
