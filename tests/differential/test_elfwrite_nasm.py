"""The object writer against nasm: its objects are read, turned back into a ``Module`` and written again, byte for byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toolkit.abi import elf
from toolkit.asm.elfwrite import write
from toolkit.asm.link.elfread import read_object
from toolkit.asm.link.model import InputFile, InputSection
from toolkit.asm.objfile import Module, Section, Symbol
from toolkit.asm.statement import Fixup, Value

pytestmark = pytest.mark.differential
SOURCES = sorted((Path(__file__).parent / "link").glob("*.asm"))
# type → (size, relative, signed, wrt)
KINDS = {
    elf.EM_X86_64: {
        1: (8, False, False, None),
        2: (4, True, False, None),
        4: (4, True, False, "..plt"),
        9: (4, True, False, "..got"),
        10: (4, False, False, None),
        11: (4, False, True, None),
        12: (2, False, False, None),
        22: (4, True, False, "..gottpoff"),
        25: (8, False, False, "..gotoff"),
    },
    elf.EM_386: {
        1: (4, False, False, None),
        2: (4, True, False, None),
        3: (4, False, False, "..got"),
        4: (4, True, False, "..plt"),
        9: (4, False, False, "..gotoff"),
        10: (4, False, False, "..gotpc"),
        15: (4, False, False, "..tlsie"),
        20: (2, False, False, None),
    },
}
BINDINGS = {0: "local", 1: "global", 2: "weak"}
TYPES = {0: "", 1: "data", 2: "function", 6: ""}
VISIBILITIES = ("default", "internal", "hidden", "protected")


def module_of(file: InputFile, strings_order: list[str], source: str) -> Module:
    sections = {}
    module = Module("elf64" if file.is64 else "elf32", source)
    for found in file.content():
        if found.name in (".shstrtab", ".symtab", ".strtab"):
            continue
        section = Section(found.name, found.type, found.flags, found.alignment, found.entry_size)
        section.contents += found.data
        section.size = found.size
        sections[found.number] = section
        module.sections.append(section)
    symbols: list[Symbol | None] = []
    for row in file.symbols:
        if row.type in (elf.STT_FILE, elf.STT_SECTION) or not row.name:
            symbols.append(None)
            continue
        undefined, common = row.section == 0, row.section == elf.SHN_COMMON
        binding = (
            "common" if common else ("extern" if undefined and row.binding == 1 else BINDINGS[row.binding])
        )
        symbol = Symbol(
            row.name,
            sections.get(row.section),
            row.value,
            binding,
            TYPES[row.type],
            row.size,
            VISIBILITIES[row.other & 3],
            defined=not undefined and not common,
            referenced=True,
        )
        symbols.append(symbol)
    module.symbols = sorted((s for s in symbols if s), key=lambda s: strings_order.index(s.name))
    for found in file.content():
        for relocation in found.relocations:
            fixup = fixup_of(
                file, found, relocation.type, relocation.offset, relocation.symbol, relocation.addend
            )
            number = relocation.symbol
            base = symbols[number] or sections[file.symbols[number].section]
            if (
                isinstance(base, Symbol) and base.section is not None
            ):  # a symbol named by wrt: back to its section
                fixup = Fixup(
                    fixup.offset,
                    fixup.size,
                    Value(
                        fixup.value.constant + base.value, ((base.section, 1),), fixup.value.wrt or "..sym"
                    ),
                    fixup.relative,
                    fixup.end,
                    fixup.signed,
                )
            else:
                fixup = Fixup(
                    fixup.offset,
                    fixup.size,
                    Value(fixup.value.constant, ((base, 1),), fixup.value.wrt),
                    fixup.relative,
                    fixup.end,
                    fixup.signed,
                )
            sections[found.number].fixups.append(fixup)
    return module


def fixup_of(
    file: InputFile, section: InputSection, kind: int, offset: int, number: int, addend: int | None
) -> Fixup:
    size, relative, signed, wrt = KINDS[file.machine][kind]
    if addend is None:
        addend = int.from_bytes(section.data[offset : offset + size], "little", signed=True)
    end = 4 if relative else 0
    constant = addend + end - (offset if wrt == "..gotpc" else 0)
    return Fixup(offset, size, Value(constant, (), wrt), relative, end, signed)


@pytest.mark.parametrize("kind", ["elf64", "elf32"])
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_written_again(source: Path, kind: str, tmp_path: Path) -> None:
    target = tmp_path / "a.o"
    made = subprocess.run(
        ["nasm", "-w-all", "-f", kind, source.name, "-o", str(target)],
        cwd=source.parent,
        capture_output=True,
        check=False,
    )
    if made.returncode:
        assert (
            b"64-bit" in made.stderr
            or b"WRT" in made.stderr
            or b"ELF" in made.stderr
            or b"bit" in made.stderr
        )
        return
    data = target.read_bytes()
    file = read_object("a.o", data)
    strings = next(s for s in strings_of(data))
    module = module_of(file, strings, source.name)
    assert write(module) == data
    assert not module.refused


def strings_of(data: bytes) -> list[list[str]]:
    """The names in .strtab, in order."""
    from toolkit.asm.link.elfread import read_header, read_sections

    is64, header = read_header(data)
    rows = read_sections(data, is64, header)
    table = next(row for row in rows if row[1] == elf.SHT_SYMTAB)
    strings = rows[table[6]]
    return [data[strings[4] : strings[4] + strings[5]].decode().split("\0")]
