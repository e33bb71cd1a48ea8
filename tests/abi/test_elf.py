"""The ELF layouts: their sizes are the ABI's, and relocation names match the numbers."""

from __future__ import annotations

import struct

import pytest

from toolkit.abi import elf


@pytest.mark.parametrize(
    ("layout", "size"),
    [
        (elf.EHDR64, 64),
        (elf.EHDR32, 52),
        (elf.PHDR64, 56),
        (elf.PHDR32, 32),
        (elf.SHDR64, 64),
        (elf.SHDR32, 40),
        (elf.SYM64, 24),
        (elf.SYM32, 16),
        (elf.RELA64, 24),
        (elf.REL32, 8),
        (elf.DYN64, 16),
        (elf.DYN32, 8),
    ],
)
def test_sizes(layout: struct.Struct, size: int) -> None:
    assert layout.size == size


@pytest.mark.parametrize("prefix", ["R_X86_64_", "R_386_"])
def test_relocation_names(prefix: str) -> None:
    machine = elf.EM_X86_64 if prefix == "R_X86_64_" else elf.EM_386
    constants = {name: value for name, value in vars(elf).items() if name.startswith(prefix)}
    assert len(constants) > 30
    for name, value in constants.items():
        assert elf.RELOCATION_NAMES[machine][value] == name
