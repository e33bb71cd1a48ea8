"""ORG, SECTION with its places, and MAP of the flat binary format (nasm manual 8.1; nasm's outbin.c)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.abi.elf import SHT_NOBITS, SHT_PROGBITS
from toolkit.asm.expr import StatementError
from toolkit.asm.objfile import Section

if TYPE_CHECKING:
    from toolkit.asm.directives import Directive
    from toolkit.asm.layout import Pass

_ATTRIBUTE = re.compile(r"\s*([A-Za-z]+)\s*(=)?")
_PLACES = frozenset(("align", "valign", "start", "vstart"))


def _org(run: Pass, value: str) -> None:
    try:
        origin = run.constant(value)
    except StatementError as error:
        run.report_error(error)
        raise StatementError("No or invalid offset specified in ORG directive.") from error
    if not isinstance(origin, int):
        raise StatementError("org value must be a critical expression")
    old = run.origin
    if old is not None and old != origin:
        raise StatementError("program origin redefined")
    run.origin = origin


def _map(run: Pass, value: str) -> None:
    """A map file is not written: an assembler run writes one file here."""


def open_bin_section(run: Pass, text: str) -> Section:
    """The section ``[section TEXT]`` means, with align=, start=, follows=, vstart=, vfollows=, valign=, nobits."""
    name, rest = [*text.split(None, 1), "", ""][:2]
    sections = run.layout.sections
    section = sections.get(name)
    if section is None:
        section = run.layout.text if name == ".text" else Section(name, alignment=0)
        if name == ".bss":
            section.type = SHT_NOBITS
        sections[name] = section
        run.labels.define_section(section)
    _read_attributes(run, section, rest)
    return section


def _read_attributes(run: Pass, section: Section, text: str) -> None:
    position = 0
    while position < len(text.rstrip()):
        match = _ATTRIBUTE.match(text, position)
        word = match.group(1).lower() if match else ""
        if match and word in ("progbits", "nobits"):
            section.type = SHT_PROGBITS if word == "progbits" else SHT_NOBITS
            position = match.end(1)
        elif match and word in ("follows", "vfollows") and match.group(2):
            value = (text[match.end() :].split(None, 1) or [""])[0]
            section.attributes[word] = value
            position = text.index(value, match.end()) + len(value) if value else len(text)
        elif match and word in _PLACES and match.group(2):
            position = _read_place(run, section, word, text, match.end())
        else:
            unknown = text[position:].split(None, 1)[0]
            run.warn(f'ignoring unknown section attribute: "{unknown}"', "other")
            position = text.index(unknown, position) + len(unknown)


def _read_place(run: Pass, section: Section, word: str, text: str, position: int) -> int:
    """Read the number of ``word=``: an expression in parentheses or one word. Returns where it ends."""
    rest = text[position:]
    start = position + len(rest) - len(rest.lstrip())
    if start >= len(text):
        run.warn("No value given to attribute in `section' directive", "other")
        return len(text)
    end = start
    depth = 0
    while end < len(text) and (depth or not text[end].isspace()):
        depth += (text[end] == "(") - (text[end] == ")")
        end += 1
    value = run.constant(text[start:end])
    if not isinstance(value, int):
        raise StatementError(f"attribute `{word}' is not a plain number" if word else "")
    if word in ("align", "valign"):
        set_alignment(section, word, value)
    else:
        partner = _integer(section, "align" if word == "start" else "valign")
        if partner and value & partner - 1:
            what = "section start" if word == "start" else "`vstart'"
            raise StatementError(f"`{word}' address conflicts with {what} alignment")
        section.attributes[word] = value
    return end


def _integer(section: Section, name: str) -> int:
    value = section.attributes.get(name, 0)
    return value if isinstance(value, int) else 0


def set_alignment(section: Section, word: str, value: int) -> None:
    """``align=`` or ``valign=``: the largest one asked for counts. Raises StatementError."""
    if value <= 0 or value & value - 1:
        raise StatementError(f"argument to `{word}' is not a power of two")
    value = max(value, _integer(section, word))
    if word == "align" and _integer(section, "start") & value - 1:
        raise StatementError("`align' value conflicts with section start address")
    if word == "valign" and _integer(section, "vstart") & value - 1:
        raise StatementError("`valign' value conflicts with `vstart' address")
    section.attributes[word] = value


BIN_DIRECTIVES: dict[str, Directive] = {"org": _org, "map": _map}
