"""What SECTION, GLOBAL and kin mean in ELF objects (nasm manual 8.9; nasm's outelf.c)."""

from __future__ import annotations

import re
from collections.abc import Callable

from toolkit.abi.elf import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_MERGE,
    SHF_STRINGS,
    SHF_TLS,
    SHF_WRITE,
    SHT_FINI_ARRAY,
    SHT_INIT_ARRAY,
    SHT_NOBITS,
    SHT_NOTE,
    SHT_PREINIT_ARRAY,
    SHT_PROGBITS,
)
from toolkit.asm.expr import StatementError
from toolkit.asm.objfile import Section, Symbol, new_section
from toolkit.asm.scan import ScanError, read_number

RESERVED = frozenset((".shstrtab", ".symtab", ".strtab"))
_FLAGS = {
    "alloc": SHF_ALLOC,
    "exec": SHF_EXECINSTR,
    "write": SHF_WRITE,
    "tls": SHF_TLS,
    "merge": SHF_MERGE,
    "strings": SHF_STRINGS,
}
_TYPES = {
    "progbits": SHT_PROGBITS,
    "nobits": SHT_NOBITS,
    "note": SHT_NOTE,
    "preinit_array": SHT_PREINIT_ARRAY,
    "init_array": SHT_INIT_ARRAY,
    "fini_array": SHT_FINI_ARRAY,
}
_ENTRY_SIZES = {
    "byte": 1,
    "word": 2,
    "dword": 4,
    "qword": 8,
    "tword": 10,
    "oword": 16,
    "xword": 16,
    "yword": 32,
    "zword": 64,
    "pointer": 0,  # of the format
}
_NUMBER = re.compile(r"-?\$?\w*", re.ASCII)  # nasm reads on as long as there are characters of one
_OPTION = re.compile(r"([^\s=]+)(\s*=\s*(\S*))?")

Warn = Callable[[str], None]


class SectionAttributes:
    """The attributes written behind a section's name. ``mask`` says which ``flags`` were spoken of; 0 or None: not given."""

    def __init__(self, section: str, text: str, pointer: int, warn: Warn) -> None:
        self.type = self.flags = self.mask = self.alignment = self.entry_size = self.entry_alignment = 0
        self.given = bool(text.strip())
        for match in _OPTION.finditer(text):
            self._option(
                match.group(1).lower(), match.group(1), match.group(3), match.group(2), section, pointer, warn
            )
        if self.flags & SHF_STRINGS and self.flags & SHF_MERGE and not self.entry_size:
            self.entry_size = 1
        if self.given and not self.alignment:
            self.alignment = self.entry_alignment & -self.entry_alignment or 1
        if self.flags & SHF_MERGE and not self.entry_size:
            raise StatementError("section attribute merge specified without an entry size or `strings'")

    def _option(
        self,
        word: str,
        written: str,
        value: str | None,
        equals: str | None,
        section: str,
        pointer: int,
        warn: Warn,
    ) -> None:
        if word == "align":
            self._align(value)
        elif equals is None and word in _FLAGS:
            self.mask |= _FLAGS[word]
            self.flags |= _FLAGS[word]
        elif equals is None and word[:2] == "no" and word[2:] in _FLAGS:
            self.mask |= _FLAGS[word[2:]]
            self.flags &= ~_FLAGS[word[2:]]
        elif equals is None and word in _TYPES:
            self.type = _TYPES[word]
            if word.endswith("_array"):
                self.entry_size = self.entry_alignment = pointer
        elif not self._entry(word, pointer):
            warn(f"unknown section attribute '{written}' ignored on declaration of section `{section}'")

    def _entry(self, word: str, pointer: int) -> bool:
        """A size of entries: the beginning of its name is enough, and `*N` makes it N times as large."""
        name, times, factor = word.partition("*")
        found = next((size for full, size in _ENTRY_SIZES.items() if name and full.startswith(name)), None)
        if found is None:
            return False
        self.entry_size = self.entry_alignment = found or pointer
        if times:
            self.entry_size = self.entry_size * _number(factor) & (1 << 64) - 1
        return True

    def _align(self, value: str | None) -> None:
        if not value:
            raise StatementError("section align without value specified")
        number = _number(value)
        if number < 0 or number & number - 1 or number > 0x7FFFFFFF:
            raise StatementError(f"section alignment {number} is not a power of two")
        self.alignment = max(self.alignment, number)


def _number(text: str) -> int:
    """nasm's readnum(): as far as there are characters of a number; 0 for none that can be read."""
    written = _NUMBER.match(text)
    assert written
    digits = written.group()
    try:
        number, _ = read_number(digits.lstrip("-"))
    except ScanError:
        return 0
    return -number if digits.startswith("-") else number


def open_section(
    sections: dict[str, Section], text: str, elf_class: int, warn: Warn, default: Section
) -> Section:
    """The section that ``[section TEXT]`` means, made if new. Raises StatementError; ``warn`` gets nasm's warnings.

    ``default`` is the .text that programs start in, not listed in ``sections`` before it is used.
    """
    name, _, rest = text.strip().partition(" ")
    if "\t" in name:
        name, _, more = name.partition("\t")
        rest = more + " " + rest
    attributes = SectionAttributes(name, rest, elf_class // 8, warn)
    if name in RESERVED:
        raise StatementError(f"attempt to redefine reserved section name `{name}'")
    section = sections.get(name)
    if section is None:
        section = sections[name] = default if name == ".text" else new_section(name, elf_class)
        _apply(section, attributes)
    elif attributes.given:
        _check_again(section, attributes, warn)
    return section


def _apply(section: Section, attributes: SectionAttributes) -> None:
    section.type = attributes.type or section.type
    section.flags = section.flags & ~attributes.mask | attributes.flags
    section.entry_size = attributes.entry_size or section.entry_size
    section.alignment = attributes.alignment or section.alignment


def _check_again(section: Section, attributes: SectionAttributes, warn: Warn) -> None:
    section.alignment = max(section.alignment, attributes.alignment)
    differs = (
        (attributes.type and attributes.type != section.type)
        or (attributes.mask and section.flags & attributes.mask != attributes.flags)
        or (attributes.entry_size and attributes.entry_size != section.entry_size)
    )
    if differs:
        warn(f"incompatible section attributes ignored on redeclaration of section `{section.name}'")


_VISIBILITIES = frozenset(("default", "internal", "hidden", "protected"))
_SYMBOL_TYPES = frozenset(("function", "data", "object", "notype"))


def apply_symbol_attributes(symbol: Symbol, text: str, size_of: Callable[[str], int]) -> None:
    """The text behind ``global name:`` or ``extern name:``: type, visibility, binding, and a size that ``size_of`` evaluates.

    Raises StatementError (nasm manual 8.9.5).
    """
    rest = text.strip()
    typed = False
    while rest:
        word = rest.split(None, 1)[0].lower()
        if word in _SYMBOL_TYPES:
            symbol.type = word
            typed = True
        elif word in _VISIBILITIES:
            symbol.visibility = word
        elif word == "weak":
            symbol.binding = "weak"
        elif word == "strong":
            pass
        else:
            break
        rest = rest[len(word) :].lstrip()
    if rest and symbol.defined and not typed and not rest.startswith("("):
        raise StatementError("expression syntax error")
    if rest and symbol.defined:
        symbol.size = size_of(rest)
    elif rest:
        raise StatementError(f"unrecognized symbol attribute `{rest.split(None, 1)[0]}'")


def common_alignment(text: str) -> int:
    """The alignment written behind ``common name size:``; 0 when none is. Raises StatementError."""
    text = text.strip()
    if not text:
        return 0
    try:
        number, _ = read_number(text)
    except ScanError:
        raise StatementError(f"alignment constraint `{text}' is not a valid number") from None
    if number & number - 1:
        raise StatementError(f"alignment constraint `{text}' is not a power of two")
    return number
