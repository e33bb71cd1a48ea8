"""Instructions are counted by the block, and still exactly: however a run is cut, it is the same run."""

from __future__ import annotations

import ctypes
import random
import struct
from collections.abc import Callable
from functools import partial
from unittest.mock import Mock

import pytest

from toolkit.machine import (
    Breakpoint,
    BudgetSpent,
    Machine,
    MachineError,
    Rewritten,
    Syscall,
    calibration,
    counting,
)
from toolkit.machine.counting import POSITION, REMAINING, RING, RING_START, SLOW, Meter, machine_code

from .conftest import CODE, DATA, Load, Sandbox

BUDGET = 300
PIECES = tuple(
    bytes.fromhex(code)
    for code in (
        *(
            "90",
            "ffc0",
            "8b07",
            "8907",
            "0f2807",
            "0f2947f0",
            "50",
            "5a",
            "eb02",
            "74f8",
            "e2f0",
            "e2fe",
            "f3aa",
            "f3a4",
        ),
        *("0f05", "e800000000", "c3", "ff17", "488d7f10", "cc", "f4", "ae", "f2ae", "9c", "9d"),
        *("c60506000000c8", "881d00000000"),
    )
)


def random_code(chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return chance.randbytes(40)
    return b"".join(chance.choice(PIECES) for _ in range(14))


def play(machine: Machine, cuts: Callable[[], int]) -> tuple[object, ...]:
    """Run until something happens or BUDGET instructions are executed, in pieces: all that can be seen afterwards."""
    total, event = 0, None
    while total < BUDGET and isinstance(event, (BudgetSpent, type(None))):
        event = machine.run(min(cuts(), BUDGET - total))
        total += machine.instructions
    data = bytes(machine.bytes[25 * 4096 : 27 * 4096])
    return event, total, tuple(machine.registers.values), data


@pytest.mark.parametrize("instalment", [1, 5, counting.INSTALMENT])
@pytest.mark.parametrize("rights", [5, 7], ids=["fixed code", "code that may change"])
def test_a_run_is_the_same_in_one_piece_and_in_many(
    load: Load, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, rights: int, instalment: int
) -> None:
    monkeypatch.setattr(counting, "INSTALMENT", instalment)
    for seed in range(150):
        chance = random.Random(seed)
        code, rcx, rdi = random_code(chance), chance.randrange(20), DATA + chance.choice((0, 1, 16, 800))

        def start(code: bytes = code, rcx: int = rcx, rdi: int = rdi) -> Machine:
            machine = load(code)
            sandbox.map(0x400, 24, rights)
            machine.registers["rcx"], machine.registers["rdi"], machine.registers["rsi"] = rcx, rdi, DATA + 64
            machine.registers["rbx"] = 0x77
            return machine

        whole = play(start(), lambda: BUDGET)
        assert play(start(), lambda: 1) == whole, (seed, code.hex())
        assert play(start(), partial(chance.randrange, 1, 9)) == whole, (seed, code.hex())


@pytest.mark.parametrize("budget", range(1, 8))
def test_a_budget_that_ends_at_a_breakpoint_or_before(load: Load, budget: int) -> None:
    machine = load("90 90 90 90 90 90 90 90 0f05")
    machine.set_breakpoints({CODE + 5})
    event = machine.run(budget)
    assert machine.instructions == machine.registers["rip"] - CODE == min(budget, 5)
    assert event in (BudgetSpent(), Breakpoint())
    machine.set_breakpoints(())


def test_a_jump_to_itself_takes_no_time(load: Load) -> None:
    machine = load("90 ebfe")
    assert machine.run(1 << 50) == BudgetSpent()
    assert (machine.instructions, machine.registers["rip"]) == (1 << 50, CODE + 1)


@pytest.mark.parametrize("counter", [1, 2, 100, 5_000, 10_000, 0])
def test_the_turns_of_a_loop_on_itself_that_are_skipped_cannot_be_told(
    load: Load, monkeypatch: pytest.MonkeyPatch, counter: int
) -> None:
    seen = []
    for instalment in (7, counting.INSTALMENT):
        monkeypatch.setattr(counting, "INSTALMENT", instalment)
        machine = load("4889d8 90 e2fe 48ffc0 f4")
        machine.registers["rcx"] = counter
        event = machine.run(10_002)
        trail = machine.look_back()
        seen.append((event, machine.instructions, tuple(machine.registers.values), trail))
    assert seen[0] == seen[1]
    assert seen[0][1] == (counter + 3 if counter and counter < 10_000 else 10_002)


def test_a_loop_on_itself_takes_no_time(load: Load) -> None:
    machine = load("90 e2fe f4")
    machine.registers["rcx"] = 1 << 50
    assert machine.run(1 << 49) == BudgetSpent()
    assert (machine.instructions, machine.registers["rip"]) == (1 << 49, CODE + 1)
    assert machine.registers["rcx"] == (1 << 50) - (1 << 49) + 1


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("fe0501000000 b000 ebf6", id="the instruction that follows"),
        pytest.param("fe0501000000 b000 eb00 ebf4", id="with another block behind"),
        pytest.param("c60500000000 90 90 ebf6", id="the same byte as before"),
    ],
)
def test_code_that_rewrites_itself_tells_the_kernel(load: Load, sandbox: Sandbox, code: str) -> None:
    machine = load(code)
    sandbox.map(0x400, 24, 7)
    assert machine.run(100_000_000) == Rewritten()
    assert machine.rewrites == counting.REWRITES_TOLD
    again = load(code)
    sandbox.map(0x400, 24, 7)
    assert again.rewrites == 0
    first = machine.instructions
    assert again.run(100_000_000) == Rewritten()
    assert again.instructions == first


def test_more_blocks_than_there_are_records(
    load: Load, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "RECORDS", 16)
    machine = Machine(64 << 20)
    small = Sandbox(machine)
    small.load("eb00" * 500 + "0f05")
    for _ in range(2):
        machine.registers["rip"] = CODE
        assert machine.run(10_000) == Syscall("syscall")
        assert machine.instructions == 501


def test_without_memory_for_code_of_ours_python_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "HostCode", Mock(side_effect=OSError))
    slow = Sandbox(Machine(64 << 20))
    machine = slow.load(
        "b964000000 50 5a ffc9 75fa 0f05"
    )  # mov ecx,100; again: push; pop; dec ecx; jnz again; syscall
    for cut in (1, 7, 1000):
        machine = slow.load("b964000000 50 5a ffc9 75fa 0f05")
        total, event = 0, None
        while not isinstance(event, Syscall):
            event = machine.run(cut)
            total += machine.instructions
        assert total == 402


@pytest.mark.parametrize(
    ("host", "system", "record_register"),
    [
        ("x86_64", "linux", "RCX"),
        ("amd64", "win32", "R9"),
        ("arm64", "darwin", "X3"),
        ("aarch64", "linux", "X3"),
    ],
)
def test_the_hosts_own_code(host: str, system: str, record_register: str) -> None:
    """Run in the emulator: it charges a record's cost and notes it, or goes to the slow function with nothing noted."""
    import unicorn

    arm = record_register.startswith("X")
    state, records, code_at, back, slow = 0x10000, 0x20000, 0x30000, 0x31000, 0x32000
    engine = unicorn.Uc(
        *((unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM) if arm else (unicorn.UC_ARCH_X86, unicorn.UC_MODE_64))
    )
    engine.mem_map(0x10000, 0x30000)
    code = machine_code(host, system, state)
    engine.mem_write(code_at, code)
    engine.mem_write(records, struct.pack("<Q", 30))
    engine.mem_write(state + 8 * SLOW, struct.pack("<Q", slow))
    engine.mem_write(state + 8 * POSITION, struct.pack("<Q", RING + 5))
    constants = unicorn.arm64_const if arm else unicorn.x86_const
    prefix = "UC_ARM64_REG_" if arm else "UC_X86_REG_"

    def call() -> int:
        engine.reg_write(getattr(constants, prefix + record_register), records)
        if arm:
            engine.reg_write(constants.UC_ARM64_REG_LR, back)
        else:
            engine.reg_write(constants.UC_X86_REG_RSP, 0x3FF00)
            engine.mem_write(0x3FF00, struct.pack("<Q", back))
        engine.mem_write(back, b"\x1f\x20\x03\xd5" if arm else b"\x90\x90\x90\x90")
        engine.mem_write(slow, b"\x1f\x20\x03\xd5" if arm else b"\x90\x90\x90\x90")
        ends = []
        hook = engine.hook_add(
            unicorn.UC_HOOK_CODE, lambda uc, at, *_: at in (back, slow) and (ends.append(at), uc.emu_stop())
        )
        engine.emu_start(code_at, 0, 0, 100)
        engine.hook_del(hook)
        return ends[0]

    def word(index: int) -> int:
        return struct.unpack("<q", engine.mem_read(state + 8 * index, 8))[0]

    engine.mem_write(state + 8 * REMAINING, struct.pack("<Q", 50))
    assert (call(), word(REMAINING), word(POSITION)) == (back, 20, RING + 6)
    assert word(RING_START + 5) == records
    assert (call(), word(REMAINING), word(POSITION)) == (slow, -10, RING + 6)


def test_other_hosts_have_no_code() -> None:
    assert machine_code("riscv64", "linux", 0) == b""
    meter = Meter()
    calls: list[int] = []
    count = meter.in_python(lambda *arguments: calls.append(arguments[3]))
    meter.words[counting.RING_START + RING] = 30
    record = meter.address + 8 * (RING_START + RING)
    meter.start(50)
    count(0, 0, 0, record)
    assert (meter.executed(), calls) == (30, [])
    count(0, 0, 0, record)
    assert calls == [record]


@pytest.mark.parametrize("words", [(0,) * 256, (5,) * 256, tuple(range(1 << 40, (1 << 40) + 256))])
def test_an_engine_of_another_shape_is_not_guessed_at(words: tuple[int, ...]) -> None:
    with pytest.raises(MachineError, match="0 places look like its CPU"):
        calibration.find_processor(struct.pack("<256Q", *words), 1 << 50)
    with pytest.raises(MachineError, match="places of interest"):
        calibration.find_processor_offsets(0, 1 << 40, struct.pack("<96Q", *words[:96]))
    with pytest.raises(MachineError, match="hook's argument"):
        calibration.find_word(struct.pack("<8Q", *words[:8]), 1)
    assert ctypes.sizeof(ctypes.c_void_p) == 8
