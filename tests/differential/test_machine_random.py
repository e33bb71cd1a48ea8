"""Random sequences of ordinary integer instructions leave the same registers and memory natively and here."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine.oracle import DATA, SIGTRAP, Case, Native, Stop, emulate

from toolkit.machine import Machine

pytestmark = [
    pytest.mark.differential,
    pytest.mark.skipif(
        platform.system() != "Linux" or platform.machine() != "x86_64",
        reason="needs x86-64 Linux as the oracle",
    ),
    pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc"),
]

# RSP stays, R15 points to data; AF is undefined after logical operations and shifts.
POINTER, AF = 15, 0x10
TARGETS = [register for register in range(16) if register not in (4, POINTER)]
TEST_RAX = b"\x48\x85\xc0"  # defines the flags that a multiplication leaves undefined
sizes = st.sampled_from((8, 16, 32, 64))
targets = st.sampled_from(TARGETS)
sources = st.integers(0, 15)
immediates = st.binary(min_size=8, max_size=8)


def encode(size: int, opcode: bytes, register: int, rm: int, tail: bytes = b"") -> bytes:
    """Prefixes, opcode and a register-form ModRM; a byte operand's opcode is one less than the others'."""
    prefix = b"\x66" if size == 16 else b""
    rex = 0x40 | (size == 64) << 3 | register >> 3 << 2 | rm >> 3
    code = opcode if size != 8 else opcode[:-1] + bytes((opcode[-1] - 1,))
    return prefix + bytes((rex,)) + code + bytes((0xC0 | (register & 7) << 3 | rm & 7,)) + tail


def in_memory(size: int, opcode: bytes, register: int, displacement: int) -> bytes:
    """The same with the memory operand [r15 + displacement]."""
    prefix = b"\x66" if size == 16 else b""
    rex = 0x41 | (size == 64) << 3 | register >> 3 << 2
    code = opcode if size != 8 else opcode[:-1] + bytes((opcode[-1] - 1,))
    return prefix + bytes((rex,)) + code + bytes((0x47 | (register & 7) << 3, displacement))


def two_registers(opcodes: bytes) -> st.SearchStrategy[bytes]:
    return st.builds(lambda size, code, source, target: encode(size, bytes((code,)), source, target),
                     sizes, st.sampled_from(opcodes), sources, targets)  # fmt: skip


def one_register(opcode: int, extensions: tuple[int, ...]) -> st.SearchStrategy[bytes]:
    return st.builds(lambda size, extension, target: encode(size, bytes((opcode,)), extension, target),
                     sizes, st.sampled_from(extensions), targets)  # fmt: skip


def wide(opcodes: list[bytes], tail: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Instructions without a byte form, destination in the reg field."""
    return st.builds(lambda size, code, target, source, end: encode(size, code, target, source, end),
                     st.sampled_from((16, 32, 64)), st.sampled_from(opcodes), targets, sources, tail)  # fmt: skip


nothing = st.just(b"")
CONDITIONS = range(16)
instructions = st.one_of(
    two_registers(bytes((0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39, 0x85, 0x89))),
    one_register(0xF7, (2, 3)),
    one_register(0xFF, (0, 1)),
    one_register(0xD1, (0, 1, 2, 3, 4, 5, 7)),
    wide([bytes((0x0F, 0x40 | condition)) for condition in CONDITIONS], nothing),
    st.builds(lambda condition, target: encode(32, bytes((0x0F, 0x90 | condition)), 0, target),
              st.sampled_from(CONDITIONS), targets),
    wide([b"\x0f\xb7", b"\x0f\xbf"], nothing),
    st.builds(lambda code, target, source: encode(64, bytes((0x0F, code)), target, source),
              st.sampled_from(b"\xb6\xbe"), targets, sources),
    wide([b"\x0f\xaf"], st.just(TEST_RAX)),
    st.builds(lambda size, extension, source: encode(size, b"\xf7", extension, source, TEST_RAX),
              sizes, st.sampled_from((4, 5)), sources),
    st.builds(lambda target, value: bytes((0x48 | target >> 3, 0xB8 | target & 7)) + value, targets, immediates),
    st.builds(lambda size, extension, target, value: encode(size, b"\x81", extension, target, value[: min(size, 32) // 8])
              if size != 8 else encode(32, b"\x80", extension, target, value[:1]),
              sizes, st.integers(0, 7), targets, immediates),
    st.builds(lambda size, code, register, place: in_memory(size, bytes((code,)), register, place),
              sizes, st.sampled_from(b"\x01\x03\x09\x0b\x11\x13\x19\x1b\x21\x23\x29\x2b\x31\x33\x39\x3b\x87\x89\x8b"),
              targets, st.integers(0, 120)),
    st.builds(lambda target: bytes((0x48 | target >> 3, 0x0F, 0xC8 | target & 7)), targets),
    st.builds(lambda source, target: bytes((0x40 | source >> 3, 0x50 | source & 7, 0x40 | target >> 3, 0x58 | target & 7)),
              sources, targets),
    st.sampled_from((b"\x99", b"\x48\x99", b"\x98", b"\x48\x98", b"\xf8", b"\xf9", b"\xf5")),
)  # fmt: skip
programs = st.lists(instructions, min_size=1, max_size=18).map(lambda parts: b"".join(parts) + b"\xcc")
states = st.lists(st.integers(0, (1 << 64) - 1), min_size=16, max_size=16)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    runner = Native(tmp_path_factory.mktemp("native"))
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine(64 << 20)


def visible(stop: Stop) -> dict[str, object]:
    registers = stop.registers | {"rflags": stop.registers["rflags"] & ~AF}
    return {
        "signal": stop.signal,
        **{name: hex(value) for name, value in registers.items()},
        "data": stop.data,
    }


def compare(native: Native, machine: Machine, code: bytes, state: list[int]) -> None:
    names = ("rax", "rcx", "rdx", "rbx", "", "rbp", "rsi", "rdi", *(f"r{number}" for number in range(8, 16)))
    registers = {name: value for name, value in zip(names, state, strict=True) if name}
    case = Case(code, registers | {"r15": DATA + 64})
    expected = native.run(case)
    assert expected.signal == SIGTRAP
    for budget in (None, 10_000):
        assert visible(emulate(machine, case, budget)) == visible(expected)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(code=programs, state=states)
def test_same_registers_and_memory(native: Native, machine: Machine, code: bytes, state: list[int]) -> None:
    compare(native, machine, code, state)


@pytest.mark.slow
@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(code=programs, state=states)
def test_same_registers_and_memory_often(
    native: Native, machine: Machine, code: bytes, state: list[int]
) -> None:
    compare(native, machine, code, state)
