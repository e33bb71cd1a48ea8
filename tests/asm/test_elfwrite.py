"""The object writer: relocations of every kind and their refusals. Equality with nasm is in tests/differential."""

from __future__ import annotations

import pytest

from toolkit.abi import elf
from toolkit.asm.elfwrite import write
from toolkit.asm.link.elfread import read_object
from toolkit.asm.objfile import Module, Symbol, new_section
from toolkit.asm.statement import Fixup, Value


def relocation(kind: str, size: int, wrt: str | None, relative: bool = False, signed: bool = False) -> str:
    """The relocation nasm's rules choose for a reference to a global data symbol, or what it refuses with."""
    module = Module(kind, "a.asm")
    text, data = new_section(".text"), new_section(".data")
    data.contents += bytes(16)
    text.contents += bytes(16)
    module.sections += [text, data]
    module.symbols.append(Symbol("thing", data, 8, "global"))
    text.fixups.append(
        Fixup(4, size, Value(8, ((data, 1),), wrt), relative=relative, end=size, signed=signed)
    )
    body = write(module)
    if module.refused:
        return module.refused[0].message
    file = read_object("a.o", body)
    (section,) = [s for s in file.content() if s.name == ".text"]
    (found,) = section.relocations
    symbol = file.symbols[found.symbol]
    addend = found.addend
    if addend is None:
        addend = int.from_bytes(section.data[4 : 4 + size], "little", signed=True)
    name = elf.RELOCATION_NAMES[file.machine][found.type]
    return f"{name} {symbol.name or '.data'}{addend:+d}"


@pytest.mark.parametrize(
    ("size", "wrt", "relative", "signed", "expected"),
    [
        (8, None, False, False, "R_X86_64_64 .data+8"),
        (4, None, False, False, "R_X86_64_32 .data+8"),
        (4, None, False, True, "R_X86_64_32S .data+8"),
        (2, None, False, False, "R_X86_64_16 .data+8"),
        (1, None, False, False, "R_X86_64_8 .data+8"),
        (4, None, True, False, "R_X86_64_PC32 .data+4"),
        (8, None, True, False, "R_X86_64_PC64 .data+0"),
        (2, None, True, False, "R_X86_64_PC16 .data+6"),
        (4, "..plt", True, False, "R_X86_64_PLT32 thing-4"),
        (4, "..got", True, False, "R_X86_64_GOTPCREL thing-4"),
        (4, "..gotpc", True, False, "R_X86_64_GOTPCREL thing-4"),
        (4, "..gottpoff", True, False, "R_X86_64_GOTTPOFF thing-4"),
        (4, "..got", False, False, "R_X86_64_GOT32 thing+0"),
        (8, "..gotoff", False, False, "R_X86_64_GOTOFF64 .data+8"),
        (4, "..gotpc", False, False, "R_X86_64_GOTPC32 .data+12"),
        (8, "..sym", False, False, "R_X86_64_64 thing+0"),
        (4, "..gotoff", False, False, "ELF64 requires ..gotoff references to be qword"),
        (4, "..plt", False, False, "ELF format cannot produce non-PC-relative PLT references"),
        (4, "..tlsie", False, False, "ELF format does not support this use of WRT"),
        (2, "..plt", True, False, "Unsupported 16-bit ELF relocation"),
        (8, "..gottpoff", True, False, "ELF64 requires ..gottpoff references to be dword"),
    ],
)
def test_elf64(size: int, wrt: str | None, relative: bool, signed: bool, expected: str) -> None:
    found = relocation("elf64", size, wrt, relative, signed)
    assert found == expected.replace("GOT32 thing+0", "GOT32 thing+0")


@pytest.mark.parametrize(
    ("size", "wrt", "relative", "expected"),
    [
        (4, None, False, "R_386_32 .data+8"),
        (2, None, False, "R_386_16 .data+8"),
        (1, None, False, "R_386_8 .data+8"),
        (4, None, True, "R_386_PC32 .data+4"),
        (4, "..got", False, "R_386_GOT32 thing+0"),
        (4, "..gotoff", False, "R_386_GOTOFF .data+8"),
        (4, "..gotpc", False, "R_386_GOTPC .data+12"),
        (4, "..tlsie", False, "R_386_TLS_IE thing+0"),
        (4, "..sym", False, "R_386_32 thing+0"),
        (8, None, False, "Unsupported 64-bit ELF relocation"),
        (8, None, True, "32-bit ELF format does not support 64-bit relocations"),
        (4, "..got", True, "ELF format cannot produce PC-relative GOT references"),
    ],
)
def test_elf32(size: int, wrt: str | None, relative: bool, expected: str) -> None:
    assert relocation("elf32", size, wrt, relative) == expected


def test_a_reference_between_two_globals_needs_an_exact_one() -> None:
    module = Module("elf64", "a.asm")
    data = new_section(".data")
    data.contents += bytes(16)
    module.sections.append(data)
    module.symbols.append(Symbol("thing", data, 4, "global"))
    data.fixups.append(Fixup(8, 4, Value(5, ((data, 1),), "..got")))
    write(module)
    assert module.refused[0].message == "unable to find a suitable global symbol for this reference"


def test_only_elf_formats_are_written() -> None:
    with pytest.raises(ValueError, match="bin"):
        write(Module("bin", "a.asm"))
