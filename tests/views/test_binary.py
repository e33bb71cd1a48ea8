"""``size`` and ``objdump`` over our own files. Equality with binutils is in tests/differential/test_binary_binutils.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.asm.elfwrite import write
from toolkit.asm.link import LinkInput, link
from toolkit.asm.objfile import Module, Symbol, new_section
from toolkit.asm.statement import Fixup, Value
from toolkit.views import binary


@pytest.fixture
def object_file() -> bytes:
    module = Module("elf64", "a.asm")
    text, data, bss = (new_section(name) for name in (".text", ".data", ".bss"))
    text.contents += bytes.fromhex("b83c00000031ff0f05")
    data.contents += bytes(8)
    data.fixups.append(Fixup(0, 8, Value(0, ((text, 1),))))
    bss.size = 100
    module.sections += [text, data, bss]
    module.symbols.append(Symbol("_start", text, 0, "global"))
    return write(module)


def test_size(object_file: bytes) -> None:
    assert binary.size(object_file, "a.o") == (
        "   text\t   data\t    bss\t    dec\t    hex\tfilename\n"
        "      9\t      8\t    100\t    117\t     75\ta.o\n"
    )


def test_size_by_section(object_file: bytes) -> None:
    program = link([LinkInput("a.o", object_file)]).elf
    assert program is not None
    assert binary.size(program, "a", sysv=True) == (
        "a  :\n"
        "section   size      addr\n"
        ".text      9   4198400\n"
        ".data      8   4202496\n"
        ".bss     104   4202504\n"
        "Total    121\n\n\n"
    )


def test_objdump_of_an_object(object_file: bytes) -> None:
    assert (
        binary.objdump(object_file, "a.o", file_header=True, section_headers=True)
        == """
a.o:     file format elf64-x86-64
architecture: i386:x86-64, flags 0x00000011:
HAS_RELOC, HAS_SYMS
start address 0x0000000000000000

Sections:
Idx Name          Size      VMA               LMA               File off  Algn
  0 .text         00000009  0000000000000000  0000000000000000  00000240  2**4
                  CONTENTS, ALLOC, LOAD, READONLY, CODE
  1 .data         00000008  0000000000000000  0000000000000000  00000250  2**2
                  CONTENTS, ALLOC, LOAD, RELOC, DATA
  2 .bss          00000064  0000000000000000  0000000000000000  00000260  2**2
                  ALLOC
"""
    )


def test_objdump_of_a_program(object_file: bytes) -> None:
    program = link([LinkInput("a.o", object_file)]).elf
    assert program is not None
    assert binary.objdump(program, "a", file_header=True) == (
        "\na:     file format elf64-x86-64\narchitecture: i386:x86-64, flags 0x00000112:\n"
        "EXEC_P, HAS_SYMS, D_PAGED\nstart address 0x0000000000401000\n\n"
    )


@pytest.mark.parametrize("data", [b"", b"section .text", b"\x7fELF", b"\x7fELF\x02\x01\x01" + b"\xff" * 80])
def test_what_is_no_elf_file(data: bytes) -> None:
    with pytest.raises(binary.BinaryFileError, match=r"^x: file format not recognized$"):
        binary.size(data, "x")


def test_what_can_not_be_opened(tmp_path: Path) -> None:
    with pytest.raises(binary.BinaryFileError, match=r"^'nothing': No such file$"):
        binary.size(tmp_path / "nothing", "nothing")
    with pytest.raises(binary.BinaryFileError, match=r"^Warning: 'here' is a directory$"):
        binary.objdump(tmp_path, "here", file_header=True)
