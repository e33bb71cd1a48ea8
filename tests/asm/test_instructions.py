"""The instruction table as data: it is what the compiler makes of nasm's file, and every line of it is understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.asm import instructions
from toolkit.asm.encoder_keystone import whitelist
from toolkit.asm.instructions import (
    CPU_LEVELS,
    CPU_NO_EVEX,
    forms,
    is_mnemonic,
    mnemonics,
    parse_cpu,
    register_class,
    register_size,
)
from toolkit.asm.instructions.compiler import compile_table

SOURCE = Path(__file__).parent / "data" / "nasm-2.16.01-insns.dat"
TABLE = Path(instructions.__file__).parent / "forms.txt"


def test_the_table_is_compiled_from_nasms() -> None:
    assert compile_table(SOURCE.read_text(encoding="utf-8")) == TABLE.read_text(encoding="utf-8")


def test_the_table_carries_nasms_notice() -> None:
    head = TABLE.read_text(encoding="utf-8").partition("\n\n")[0]
    assert "The NASM Authors - All Rights Reserved" in head
    assert "Redistributions in binary form must reproduce" in head


def test_every_form_is_understood() -> None:
    count = 0
    for mnemonic in mnemonics():
        for form in forms(mnemonic):
            assert form.steps, form
            count += 1
    assert (len(mnemonics()), count) == (2230, 8275)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("mov", True),
        ("jnbe", True),
        ("setpo", True),
        ("cmovz", True),
        ("vaddpd", True),
        ("jcc", False),
        ("db", False),
        ("resb", False),
        ("equ", False),
        ("MOV", False),
        ("sycall", False),
        ("", False),
    ],
)
def test_mnemonics(name: str, known: bool) -> None:
    assert is_mnemonic(name) is known


def test_an_optional_operand_makes_a_second_form() -> None:
    words = [form.words for form in forms("vpcmpeqb")]
    assert ("xmmreg", "xmmreg", "xmmrm128") in words
    assert ("xmmreg", "xmmrm128") in words


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [
        ("rax", "general", 8),
        ("r9d", "general", 4),
        ("ah", "general", 1),
        ("sil", "general", 1),
        ("fs", "segment", 2),
        ("cr8", "control", 4),
        ("dr7", "debug", 4),
        ("tr3", "test", 4),
        ("st0", "x87", 0),
        ("mm7", "mmx", 0),
        ("xmm31", "xmm", 0),
        ("zmm0", "zmm", 0),
        ("k1", "opmask", 0),
        ("bnd3", "bound", 0),
        ("tmm7", "tile", 0),
    ],
)
def test_registers(name: str, kind: str, size: int) -> None:
    assert instructions.is_register(name)
    assert (register_class(name), register_size(name)) == (kind, size)


@pytest.mark.parametrize("name", ["rax1", "xmm32", "r16", "st8", "k8", "", "ip", "rip"])
def test_no_registers(name: str) -> None:
    assert not instructions.is_register(name)


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("386", CPU_LEVELS["386"]),
        ("X64", CPU_LEVELS["X86_64"]),
        ("pentium", CPU_LEVELS["PENT"]),
        ("default", 0),
        ("noevex", CPU_NO_EVEX),
        ("386 noevex", CPU_LEVELS["386"] | CPU_NO_EVEX),
        ("-evex", CPU_NO_EVEX),
        ("noevex evex", 0),
        ("386 8086", CPU_LEVELS["8086"]),
    ],
)
def test_cpu_directive(text: str, mask: int) -> None:
    assert parse_cpu(text) == mask


def test_unknown_cpu() -> None:
    with pytest.raises(ValueError, match="unknown CPU type or flag 'k6'"):
        parse_cpu("k6")


def test_keystone_is_asked_about_known_mnemonics_only() -> None:
    assert len(whitelist()) > 1000
    assert all(is_mnemonic(name) for name in whitelist())
    assert not [name for name in whitelist() if not name.isalnum() and "_" not in name]
