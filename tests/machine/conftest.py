"""A machine shared by the room's tests, and a small address space to run a few bytes of code in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from toolkit.machine import Machine

PAGE = 4096
ROOT, PDPT, PD, TABLE, CODE_FRAME, DATA_FRAME, STACK_FRAME = range(20, 27)
USED_FRAMES = 64
CODE, DATA, STACK = 0x400000, 0x402000, 0x404000
NO_EXECUTE = 1 << 63


Load = Callable[..., Machine]


class Sandbox:
    """Code at CODE, two data pages at DATA, a stack below STACK + PAGE; everything else is unmapped."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def load(self, code: bytes | str, at: int = 0) -> Machine:
        """A pristine machine about to run `code` (hex digits or bytes), placed `at` bytes into its page."""
        machine = self.machine
        machine.reset(USED_FRAMES)
        self.map(0x400, CODE_FRAME, 5)
        self.map(0x402, DATA_FRAME, 7 | NO_EXECUTE)
        self.map(0x404, STACK_FRAME, 7 | NO_EXECUTE)
        image = bytes.fromhex(code) if isinstance(code, str) else code
        start = CODE_FRAME * PAGE + at
        machine.bytes[start : start + len(image)] = image
        machine.set_page_table(ROOT * PAGE)
        machine.registers["rip"] = CODE + at
        machine.registers["rsp"] = STACK + PAGE
        return machine

    def map(self, page: int, frame: int, rights: int) -> None:
        """Map a page number from 0x400 up to 0x5ff to a frame."""
        words = self.machine.words
        words[ROOT * 512] = PDPT * PAGE | 7
        words[PDPT * 512] = PD * PAGE | 7
        words[PD * 512 + 2] = TABLE * PAGE | 7
        words[TABLE * 512 + page - 0x400] = frame * PAGE | rights

    def entry(self, page: int) -> int:
        """The page-table entry of a page number."""
        return self.machine.words[TABLE * 512 + page - 0x400]


@pytest.fixture(scope="session")
def shared_machine() -> Machine:
    return Machine(64 << 20)


@pytest.fixture
def sandbox(shared_machine: Machine) -> Sandbox:
    return Sandbox(shared_machine)


@pytest.fixture
def load(sandbox: Sandbox) -> Callable[..., Machine]:
    return sandbox.load
