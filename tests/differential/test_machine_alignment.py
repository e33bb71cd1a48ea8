"""Which SSE instructions demand an aligned operand: all two- and three-byte opcodes, asked of the host's CPU."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from machine.oracle import DATA, SIGILL, SIGSEGV, Case, Native, Stop, emulate

from toolkit.machine import Machine

pytestmark = [
    pytest.mark.differential,
    pytest.mark.skipif(
        platform.system() != "Linux" or platform.machine() != "x86_64",
        reason="needs x86-64 Linux as the oracle",
    ),
    pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc"),
]

# Not operands in memory: escapes, system calls, branches, cpuid and the like.
OTHERS = {0x38, 0x3A, 0x05, 0x34, 0x35, 0x07, 0x31, 0xA2, 0xAE, 0xC7, 0x0B, 0xFF, 0xB9, 0x01, 0x00, 0x18}


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    runner = Native(tmp_path_factory.mktemp("native"))
    yield runner
    runner.close()


def codes(prefix: bytes, opcode_map: bytes) -> Iterator[bytes]:
    for opcode in range(256):
        if opcode_map != b"\x0f" or (
            opcode not in OTHERS and not 0x80 <= opcode <= 0x8F and opcode >> 3 != 4
        ):
            yield prefix + opcode_map + bytes((opcode, 0x0F, 0)) + b"\x90\xcc"


def protection(stop: Stop) -> bool:
    return (stop.signal, stop.code) == (SIGSEGV, 128)


@pytest.mark.parametrize("prefix", [b"", b"\x66", b"\xf2", b"\xf3"], ids=["none", "66", "f2", "f3"])
@pytest.mark.parametrize("opcode_map", [b"\x0f", b"\x0f\x38", b"\x0f\x3a"], ids=["0f", "0f38", "0f3a"])
def test_alignment_is_demanded_where_the_cpu_does(native: Native, prefix: bytes, opcode_map: bytes) -> None:
    machine = Machine(64 << 20)
    for code in codes(prefix, opcode_map):
        for place in (DATA + 64, DATA + 65):
            case = Case(code, {"rdi": place})
            ours = emulate(machine, case)
            if ours.signal == SIGILL:
                continue  # an extension this CPU does not have
            assert protection(ours) == protection(native.run(case)), (code.hex(), hex(place))
