"""Every form of the instruction table, address, immediate and prefix, against the real nasm: bytes, refusals, warnings.

The default run takes a sample of the mnemonics; the slow one other mnemonics in every way there is, in both back ends;
``TOOLKIT_SWEEP=full`` all of them (prefixes, wrong operands, mixtures and shuffled operands take 5 minutes of one core together).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.asm import instruction_cases as cases
from tests.asm.comparison import SECTION, compare
from toolkit.asm.encode import KeystoneBackend, KeystoneUnavailableError, TableBackend, use
from toolkit.asm.instructions import mnemonics, parse_cpu
from toolkit.asm.statement import ImmediateOperand, Instruction, MemoryOperand, RegisterOperand, Value

pytestmark = pytest.mark.differential

SAMPLE = (
    *mnemonics()[::60],
    "mov",
    "add",
    "push",
    "jmp",
    "call",
    "lea",
    "xchg",
    "movzx",
    "imul",
    "shl",
    "ret",
)
FULL = os.environ.get("TOOLKIT_SWEEP") == "full"
SWEPT = mnemonics() if FULL else mnemonics()[7::40]
MODES = (64, 32, 16)
SLOW = pytest.mark.slow
OPTIONS = [
    ("", (), {}),
    ("", ("-O0",), {"optimise": 0}),
    ("", ("-O1",), {"optimise": 1}),
    ("default rel", (), {"default_relative": True}),
    ("default bnd", (), {"default_bound_relative": True}),
]


@pytest.fixture(autouse=True, params=["table", pytest.param("keystone", marks=SLOW)])
def backend(request: pytest.FixtureRequest) -> Iterator[object]:
    if request.param == "table":
        yield use(TableBackend())
        return
    try:
        yield use(KeystoneBackend())
    except KeystoneUnavailableError as error:
        pytest.skip(str(error))
    finally:
        use(TableBackend())


def label_cases(bits: int) -> Iterator[Instruction]:
    """Branches and addresses relative to the section they are in; the lines themselves make the distances."""
    accumulator = RegisterOperand({16: "ax", 32: "eax", 64: "rax"}[bits])
    for offset in range(0, 1500, 11):
        target = Value(offset, ((SECTION, 1),))  # type: ignore[arg-type]
        for mnemonic in ("jmp", "je", "call", "loop", "jecxz", "jrcxz"):
            yield Instruction(mnemonic, (ImmediateOperand(target),))
        for mnemonic in ("jmp", "jne"):
            yield Instruction(mnemonic, (ImmediateOperand(target),), ("bnd",))
            yield Instruction(mnemonic, (ImmediateOperand(target, distance="short"),))
            yield Instruction(mnemonic, (ImmediateOperand(target, distance="near"),))
            yield Instruction(mnemonic, (ImmediateOperand(target, strict=True),))
            yield Instruction(mnemonic, (ImmediateOperand(target, size=4),))
        if offset % 55 == 0:
            for relative in (None, True, False):
                address = MemoryOperand(target, relative=relative)
                yield Instruction("mov", (accumulator, address))
                yield Instruction("mov", (RegisterOperand("cl"), address))
                wide = MemoryOperand(target, 4, relative=relative)
                yield Instruction("mov", (wide, ImmediateOperand(Value(5))))
            for mnemonic in ("mov", "add", "lea"):
                yield Instruction(mnemonic, (RegisterOperand("ecx"), ImmediateOperand(target)))
            yield Instruction("push", (ImmediateOperand(target),))


@pytest.mark.parametrize("bits", MODES)
def test_forms(bits: int) -> None:
    result = compare("forms", cases.table_cases(bits, SAMPLE), bits)
    assert result.clean, result


@pytest.mark.parametrize("bits", MODES)
@pytest.mark.parametrize(("header", "options", "context"), OPTIONS)
def test_labels(bits: int, header: str, options: tuple[str, ...], context: dict[str, object]) -> None:
    result = compare("labels", label_cases(bits), bits, header, options, **context)
    assert result.clean, result


@pytest.mark.parametrize("bits", [64, pytest.param(32, marks=SLOW), pytest.param(16, marks=SLOW)])
@pytest.mark.parametrize("rel", [False, pytest.param(True, marks=SLOW)])
def test_addresses(bits: int, rel: bool) -> None:
    header = "default rel" if rel else ""
    result = compare("addresses", cases.address_cases(bits), bits, header, default_relative=rel)
    assert result.clean, result


@pytest.mark.parametrize("bits", [64, pytest.param(32, marks=SLOW), pytest.param(16, marks=SLOW)])
def test_immediates(bits: int) -> None:
    result = compare("immediates", cases.immediate_cases(), bits)
    assert result.clean, result


@pytest.mark.parametrize("bits", MODES)
def test_far_and_grouped_operands(bits: int) -> None:
    result = compare("far", cases.far_cases(bits), bits)
    assert result.clean, result


@pytest.mark.parametrize("cpu", ["8086", "386", "katmai"])
def test_cpu_levels(cpu: str) -> None:
    result = compare("cpu", cases.table_cases(16, SAMPLE), 16, f"cpu {cpu}", cpu=parse_cpu(cpu))
    assert result.clean, result


@pytest.mark.parametrize("cpu", ["x64", "westmere", "all", "noevex", "latevex", "novex"])
def test_cpu_features(cpu: str) -> None:
    result = compare("cpu", cases.table_cases(64, SAMPLE), 64, f"cpu {cpu}", cpu=parse_cpu(cpu))
    assert result.clean, result


@pytest.mark.slow
@pytest.mark.parametrize("bits", MODES)
@pytest.mark.parametrize(("header", "options", "context"), OPTIONS)
def test_every_form(bits: int, header: str, options: tuple[str, ...], context: dict[str, object]) -> None:
    result = compare("every form", cases.table_cases(bits, SWEPT), bits, header, options, **context)
    assert result.clean, result


@pytest.mark.slow
@pytest.mark.parametrize("bits", MODES)
def test_every_compressed_displacement(bits: int) -> None:
    result = compare("compressed displacements", cases.compressed_displacement_cases(bits, SWEPT), bits)
    assert result.clean, result


@pytest.mark.slow
@pytest.mark.parametrize("bits", MODES)
def test_every_form_shuffled(bits: int) -> None:
    result = compare("shuffled operands", cases.shuffled_cases(bits, SWEPT, count=10), bits)
    assert result.clean, result


@pytest.mark.slow
@pytest.mark.parametrize("bits", MODES)
def test_every_prefix(bits: int) -> None:
    result = compare("prefixes", cases.prefix_cases(bits), bits)
    assert result.clean, result


@pytest.mark.slow
@pytest.mark.parametrize("bits", MODES)
def test_every_form_with_a_wrong_operand(bits: int) -> None:
    result = compare("wrong operands", cases.mutated_cases(bits, SWEPT), bits)
    assert result.clean, result


@pytest.mark.slow
@pytest.mark.parametrize("bits", MODES)
@pytest.mark.parametrize(("count", "limit"), [(1, 10**9), (2, 60), (3, 30)])
def test_mixtures(bits: int, count: int, limit: int) -> None:
    result = compare("mixtures", cases.mixtures(bits, count, SWEPT, limit, count), bits)
    assert result.clean, result
