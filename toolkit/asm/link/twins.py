"""What a section of a group that was dropped has in the group that stayed (elflink.c ``_bfd_elf_check_kept_section``)."""

from __future__ import annotations

from toolkit.abi import elf
from toolkit.asm.link.context import Context
from toolkit.asm.link.model import InputFile, InputSection
from toolkit.asm.link.script import is_debugging

_Symbols = list[tuple[str, int, int, int]]  # name, binding, type, other


class Twins:
    """Finds, for sections of dropped groups, those that hold the same: as large, with symbols of the same names."""

    def __init__(self, context: Context) -> None:
        self.kept: dict[str, list[InputSection]] = {}
        self.signatures: dict[InputSection, str] = {}
        for file in context.files:
            for signature, numbers in file.groups:
                members = [
                    s for n in numbers if n < len(file.sections) and (s := file.sections[n]) is not None
                ]
                if any(member.kept for member in members):
                    self.kept.setdefault(signature, members)
                self.signatures |= dict.fromkeys(members, signature)
        self.symbols: dict[InputFile, dict[int, _Symbols]] = {}

    def of(self, section: InputSection) -> InputSection | None:
        """The twin of a section that is not in the output; None: it has none."""
        signature = self.signatures.get(section)
        for other in self.kept.get(signature, ()) if signature is not None else ():
            if other.type == section.type and self._are_alike(section, other):
                return other if other.size == section.size and other.output is not None else None
        return None

    def _are_alike(self, section: InputSection, other: InputSection) -> bool:
        with_sections = not section.flags & elf.SHF_ALLOC and is_debugging(section.name)
        names = self._symbols_of(section, with_sections)
        return bool(names) and names == self._symbols_of(other, with_sections)

    def _symbols_of(self, section: InputSection, with_sections: bool) -> _Symbols:
        file = section.file
        if file not in self.symbols:
            found = self.symbols[file] = {}
            for symbol in file.symbols:
                row = (symbol.name, symbol.binding, symbol.type, symbol.other)
                found.setdefault(symbol.section, []).append(row)
        rows = self.symbols[file].get(section.number, [])
        return sorted(row for row in rows if with_sections or row[2] != elf.STT_SECTION)
