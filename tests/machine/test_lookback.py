"""The way the program came: which instruction wrote a register last."""

from __future__ import annotations

import pytest

from toolkit.machine import BudgetSpent, Nondeterministic, PageFault, Syscall
from toolkit.machine.lookback import LOOK_BACK, Past, look_back

from .conftest import CODE, Load


@pytest.mark.parametrize(
    ("code", "register", "offset", "ago"),
    [
        pytest.param("b805000000 31db 8a03", "rax", 0, 2, id="the first"),
        pytest.param("b805000000 31db 8a03", "rbx", 5, 1, id="the one just before"),
        pytest.param("31db b301 31c0 8a03", "rbx", 2, 2, id="a part of a register"),
        pytest.param("31db 50 5b 8a03", "rbx", 3, 1, id="a pop"),
        pytest.param("31db eb00 90 8a03", "rbx", 0, 3, id="beyond a jump"),
        pytest.param("31db 31c9 ffc1 83f903 75f9 8a03", "rcx", 4, 3, id="in a loop, in its last turn"),
        pytest.param("31db 31c9 ffc1 83f903 75f9 8a03", "rbx", 0, 11, id="before a loop"),
        pytest.param("31db 31c9 8a03", "rcx", 2, 1, id="in the block that faulted"),
        pytest.param("31db 31c9 8a03", "rdx", None, 0, id="never"),
    ],
)
def test_the_last_writer(load: Load, code: str, register: str, offset: int | None, ago: int) -> None:
    for cut in (1, 2, 100):
        machine = load(code)
        event = BudgetSpent()
        while event == BudgetSpent():
            event = machine.run(cut)
        assert isinstance(event, PageFault)
        found = machine.look_back().writers.get(register)
        assert found == (None if offset is None else Past(CODE + offset, found.code if found else b"", ago))


def test_the_last_instruction_is_the_jump(load: Load) -> None:
    machine = load("31c0 ffe0")
    machine.run(10)
    trail = machine.look_back()
    assert (trail.last, trail.length) == (Past(CODE + 2, b"\xff\xe0", 1), 2)


def test_what_the_kernel_answers_is_a_write_too(load: Load) -> None:
    machine = load("31d2 0f31 8a02")
    event = machine.run()
    assert isinstance(event, Nondeterministic)
    machine.answer(event, 5 << 32)
    assert isinstance(machine.run(), PageFault)
    writer = machine.look_back().writers["rdx"]
    assert (writer.address, writer.code) == (CODE + 2, b"\x0f\x31")


def test_the_result_of_a_call_is_its_instructions(load: Load) -> None:
    machine = load("b827000000 0f05 8a00")
    assert machine.run() == Syscall("syscall")
    machine.registers["rax"] = 0
    assert isinstance(machine.run(), PageFault)
    assert machine.look_back().writers["rax"] == Past(CODE + 5, b"\x0f\x05", 1)


def test_what_others_did_is_not_part_of_it(load: Load) -> None:
    machine = load("31db 0f05 8a03")
    machine.run()
    machine.restore_context(machine.save_context())
    machine.run()
    assert machine.look_back().writers == {}
    load("8a03").run()
    assert machine.look_back().length == 0


def test_it_is_bounded() -> None:
    blocks = ((CODE, bytes.fromhex("90 90 90 31c0"), 4) for _ in range(1 << 40))
    trail = look_back(blocks, 64)
    assert LOOK_BACK - 4 <= trail.length <= LOOK_BACK
    assert trail.writers == {"rax": Past(CODE + 3, b"\x31\xc0", 1)}
