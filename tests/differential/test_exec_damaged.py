"""Damaged ELF files: the errno or the signal that Linux gives, never an exception of ours."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from host import has_protection_keys

from toolkit.kernel.errors import SyscallError
from toolkit.kernel.kernel import Kernel
from toolkit.machine.cpu import Machine

pytestmark = pytest.mark.differential

BUDGET = 20_000_000
NATIVE = """
import os
try:
    os.execve("./damaged", ["./damaged"], {})
except OSError as error:
    os.write(1, b"errno %d" % error.errno)
"""
SOURCE = """
global _start
section .data
text: db "whole", 10
section .bss
space: resb 9000
section .text
_start: mov eax, 1
 mov edi, 1
 mov esi, text
 mov edx, 6
 syscall
 mov byte [space + 8000], 1
 mov eax, 60
 mov edi, 3
 syscall
"""
VALUES = (
    0,
    1,
    0xFF,
    0xFFF,
    4096,
    0xFFFF,
    0x7FFFFFFFF000,
    0x7FFFFFFFFFFF,
    1 << 63,
    (1 << 64) - 1,
    (1 << 64) - 4096,
)
HEADER, SEGMENT = 64, 56


def damage(image: bytes, chance: random.Random) -> bytes:
    """One to three fields of the headers changed, or the file cut, or a byte flipped."""
    data = bytearray(image)
    for _ in range(chance.randint(1, 3)):
        kind = chance.random()
        if kind < 0.8:
            place, size = chance.randrange(HEADER + 3 * SEGMENT), chance.choice((1, 2, 4, 8))
            value = chance.choice((*VALUES, chance.getrandbits(16), chance.getrandbits(64)))
            data[place : place + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        elif kind < 0.9:
            del data[chance.randrange(len(data) + 1) :]
        elif data:
            data[chance.randrange(len(data))] = chance.getrandbits(8)
    return bytes(data)


def native(folder: Path, image: bytes) -> tuple[str, bytes]:
    """("errno N" or the status as a shell shows it, stdout) on Linux."""
    program = folder / "damaged"
    program.write_bytes(image)
    os.chmod(program, 0o755)
    command = ["setarch", "-R", sys.executable, "-S", "-E", "-c", NATIVE]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=5)
    except subprocess.TimeoutExpired:
        return "124", b""
    if done.stdout.startswith(b"errno "):
        return done.stdout.decode(), b""
    return str(done.returncode if done.returncode >= 0 else 128 - done.returncode), done.stdout


def emulated(machine: Machine, image: bytes) -> tuple[str, bytes]:
    """The same here."""
    with Kernel(machine, uid=0, gid=0) as kernel:
        kernel.frames.protection_keys = has_protection_keys()
        try:
            kernel.spawn(image, ["./damaged"], {}, name="damaged")
        except SyscallError as error:
            return f"errno {int(error.errno)}", b""
        outcome = kernel.run(BUDGET)
        return str(outcome.status), outcome.stdout


@pytest.fixture(scope="module")
def machine() -> Machine:
    """With as much memory as the host may have: what is too large for a machine is a matter of its memory."""
    return Machine(16 << 30)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "whole.asm").write_text(SOURCE)
    subprocess.run(["nasm", "-f", "elf64", "whole.asm", "-o", "whole.o"], cwd=folder, check=True)
    subprocess.run(["ld", "-o", "whole", "whole.o"], cwd=folder, check=True)
    return (folder / "whole").read_bytes()


@pytest.mark.parametrize(
    "seed", [*range(40), *(pytest.param(n, marks=pytest.mark.slow) for n in range(40, 400))]
)
def test_damaged_file(seed: int, image: bytes, machine: Machine, tmp_path: Path) -> None:
    broken = damage(image, random.Random(seed))
    assert emulated(machine, broken) == native(tmp_path, broken)


def test_65535_program_headers_and_overlapping_segments(
    image: bytes, machine: Machine, tmp_path: Path
) -> None:
    many = bytearray(image)
    struct.pack_into("<H", many, 56, 65535)
    overlapping = bytearray(image)
    overlapping[HEADER + SEGMENT : HEADER + 2 * SEGMENT] = overlapping[HEADER : HEADER + SEGMENT]
    for broken in (bytes(many), bytes(overlapping)):
        assert emulated(machine, broken) == native(tmp_path, broken)
