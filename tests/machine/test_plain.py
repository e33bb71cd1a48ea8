"""The grammar of harmless instructions never vouches for one that needs care."""

from __future__ import annotations

import random

import pytest

from toolkit.machine import decode
from toolkit.machine.plain import is_plain, plain_64

OPCODES = [
    b"",
    b"\x0f",
    b"\x66\x0f",
    b"\xf2\x0f",
    b"\xf3\x0f",
    b"\x66",
    b"\xf0",
    b"\xf3",
    b"\x64",
    b"\x48",
    b"\x4f\x0f",
]


def accepted(seed: int) -> bytes:
    """What the grammar accepts of random bytes behind a random opcode map."""
    source = random.Random(seed)
    code = source.choice(OPCODES) + source.randbytes(14)
    match = plain_64().match(code)
    return match.group() if match else b""


def check_sound(code: bytes) -> None:
    end = 0
    for instruction in decode.disassembler(64).disasm(code, 0):
        end = instruction.address + instruction.size
        special = decode.classify(instruction, 64)
        assert special is None or special.name == "rdtsc", (
            code.hex(),
            instruction.mnemonic,
            instruction.op_str,
        )
    if end == len(code):
        return
    # What Capstone refuses must be refused by any CPU as well: then nothing after it is reached.
    assert not list(decode.disassembler(64).disasm(code[end:], 0, 1)), code.hex()


def test_random_bytes() -> None:
    for seed in range(20_000):
        check_sound(accepted(seed))


@pytest.mark.slow
def test_random_bytes_often() -> None:
    for seed in range(20_000, 300_000):
        check_sound(accepted(seed))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("55 4889e5 4883ec20 c745fc00000000 8b45fc c9 c3", id="a compiled function"),
        pytest.param("f3a4 f348ab f2ae", id="string instructions"),
        pytest.param("66666690 660f1f840000000000", id="padding"),
        pytest.param("48b8ffffffffffffffff 66b83412 b878563412", id="immediates"),
        pytest.param("f20f104508 f20f58c1 660fefc0 0f28c1", id="SSE in registers"),
        pytest.param("f0480fb111 f0ff4508", id="locked memory"),
        pytest.param("d9e8 dd5df8 df e0", id="x87"),
    ],
)
def test_ordinary_code_is_plain(code: str) -> None:
    assert is_plain(bytes.fromhex(code))


@pytest.mark.parametrize(
    "code",
    [
        "ec",
        "e410",
        "6c",
        "f36f",
        "c5f877",
        "62f17c4858c1",
        "0fa2",
        "0fc7f0",
        "0f2800",
        "660f6f00",
        "0fae10",
        "f1",
        "f00fa3c0",
    ],
)
def test_special_code_is_not_plain(code: str) -> None:
    assert not is_plain(bytes.fromhex(code))
    assert not is_plain(b"\x90" + bytes.fromhex(code) + b"\x90")
