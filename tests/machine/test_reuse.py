"""One machine for many programs: nothing of one is left for the next, and memory stays flat."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.machine import Breakpoint, BudgetSpent, Machine, MachineError, PageFault, Syscall

from .conftest import CODE, CODE_FRAME, DATA_FRAME, PAGE, Sandbox

Load = Callable[..., Machine]
FIBONACCI = "b919000000 31c0 ba01000000 0fc1d0 ffc9 75f9 0f05"  # 25 steps of xadd eax,edx


def resident_kilobytes() -> int:
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4 if status.exists() else 0


def run_programs(load: Load, number: int) -> None:
    for turn in range(number):
        if turn % 2:
            machine = load(FIBONACCI)
            assert machine.run(1000) == Syscall("syscall")
            assert machine.registers["rax"] == 75025
        else:
            machine = load("8a0425 00204000 c60425 00204000 77 c3")
            machine.run(2)
            assert machine.registers["rax"] == 0


def test_programs_follow_one_another(load: Load) -> None:
    run_programs(load, 300)


@pytest.mark.slow
def test_memory_is_flat_over_ten_thousand_programs(load: Load) -> None:
    run_programs(load, 500)
    before = resident_kilobytes()
    run_programs(load, 10_000)
    assert resident_kilobytes() - before < 3000


def test_a_machine_without_references_is_freed_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        before = resident_kilobytes()
        for _ in range(12):
            machine = Machine(64 << 20)
            Sandbox(machine).load(FIBONACCI).run(100)
            del machine
        assert resident_kilobytes() - before < 12_000
    finally:
        gc.enable()


def test_the_same_program_leaves_the_same_state_and_count(load: Load) -> None:
    seen = set()
    for _ in range(3):
        machine = load(FIBONACCI)
        machine.run(10_000)
        data = bytes(machine.bytes[CODE_FRAME * PAGE : (CODE_FRAME + 4) * PAGE])
        seen.add((tuple(machine.registers), machine.instructions, data, machine.fpu_state()))
    assert len(seen) == 1


@pytest.mark.parametrize("slice_length", [1, 2, 3, 7, 50])
def test_slices_add_up_to_the_whole(load: Load, slice_length: int) -> None:
    machine = load(FIBONACCI)
    machine.run(10_000)
    whole, total = machine.registers.as_dict(), machine.instructions
    machine = load(FIBONACCI)
    executed = 0
    while isinstance(machine.run(slice_length), BudgetSpent):
        executed += machine.instructions
    assert executed + machine.instructions == total
    assert machine.registers.as_dict() == whole


def test_two_threads_take_turns(load: Load) -> None:
    machine = load("ffc0 90 ebfb")
    first = machine.save_context()
    machine.registers["rax"] = 1000
    second = machine.save_context()
    for _ in range(5):
        machine.restore_context(first)
        machine.run(30)
        first = machine.save_context()
        machine.restore_context(second)
        machine.run(60)
        second = machine.save_context()
    machine.restore_context(first)
    assert machine.registers["rax"] == 50
    machine.restore_context(second)
    assert machine.registers["rax"] == 1100


def test_two_address_spaces_share_the_machine(load: Load) -> None:
    """The same virtual addresses hold other code after a change of page tables, and back."""
    machine = load("b801000000 0f05")
    first_root, second_root = 20 * PAGE, 50 * PAGE
    for table, frame in ((50, 51), (51, 52), (52, 53)):
        machine.words[table * 512 + (2 if table == 52 else 0)] = frame * PAGE | 7
    machine.words[53 * 512] = 54 * PAGE | 5
    machine.bytes[54 * PAGE : 54 * PAGE + 7] = bytes.fromhex("b802000000 0f05")
    for root, value in ((first_root, 1), (second_root, 2), (first_root, 1), (second_root, 2)):
        machine.set_page_table(root)
        machine.registers["rip"] = CODE
        assert machine.run() == Syscall("syscall")
        assert machine.registers["rax"] == value


def test_special_instructions_of_one_address_space_do_not_stop_another(load: Load) -> None:
    machine = load("ec 90 0f05")
    for table, frame in ((50, 51), (51, 52), (52, 53)):
        machine.words[table * 512 + (2 if table == 52 else 0)] = frame * PAGE | 7
    machine.words[53 * 512] = 54 * PAGE | 5
    machine.bytes[54 * PAGE : 54 * PAGE + 4] = bytes.fromhex("90 90 0f05")
    for root, expected in ((20, "Trap"), (50, "Syscall"), (20, "Trap"), (50, "Syscall")):
        machine.set_page_table(root * PAGE)
        machine.registers["rip"] = CODE
        assert type(machine.run(10)).__name__ == expected


def test_a_frame_with_other_code_after_frame_changed(load: Load) -> None:
    machine = load("b801000000 0f05")
    machine.run()
    machine.bytes[CODE_FRAME * PAGE + 1] = 9
    machine.frame_changed(CODE_FRAME)
    machine.registers["rip"] = CODE
    machine.run()
    assert machine.registers["rax"] == 9


def test_breakpoints_in_a_loop_with_and_without_a_budget(load: Load) -> None:
    machine = load("ffc0 ffc1 ebfa")
    machine.set_breakpoints({CODE + 2, 0x700000})
    for turn in range(1, 6):
        assert machine.run(1000 if turn % 2 else None) == Breakpoint()
        assert (machine.registers["rip"], machine.registers["rax"]) == (CODE + 2, turn)
        if turn % 2 and turn > 1:
            assert machine.instructions == 3
    assert machine.run(2) == BudgetSpent()
    machine.set_breakpoints(())
    assert machine.run(100) == BudgetSpent()


def test_single_steps(load: Load) -> None:
    machine = load(FIBONACCI)
    addresses = []
    for _ in range(6):
        addresses.append(machine.registers["rip"] - CODE)
        assert machine.single_step() == BudgetSpent()
    assert addresses == [0, 5, 7, 12, 15, 17]


def test_a_step_that_faults_executes_nothing(load: Load) -> None:
    machine = load("8a0425 00000000")
    assert machine.single_step() == PageFault(0, 4)
    assert machine.instructions == 0


def test_fpu_state_is_what_fxsave_writes(load: Load) -> None:
    # fld1; fldpi; pcmpeqd xmm1,xmm1; fxsave [0x402000]; syscall
    machine = load("d9e8 d9eb 660f76c9 0fae0425 00204000 0f05")
    machine.run()
    written = bytes(machine.bytes[DATA_FRAME * PAGE : DATA_FRAME * PAGE + 416])
    image = machine.fpu_state()
    assert image[:8][:6] == written[:6]
    assert image[24:28] == written[24:28]
    assert image[28:32] == b"\xff\xff\x02\x00"
    assert image[32:416] == written[32:416]
    load("0f05")
    assert machine.fpu_state() != image
    machine.set_fpu_state(image)
    assert machine.fpu_state() == image


def test_bad_fpu_images_are_refused(load: Load) -> None:
    machine = load("90")
    with pytest.raises(ValueError, match="512 bytes"):
        machine.set_fpu_state(b"")
    with pytest.raises(ValueError, match="reserved bits"):
        machine.set_fpu_state(b"\xff" * 512)


@pytest.mark.parametrize("size", [0, -4096, 4097, 4096, 1 << 62])
def test_impossible_memory_sizes(size: int) -> None:
    with pytest.raises(MachineError, match="memory"):
        Machine(size)


def test_a_missing_engine_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from toolkit.machine import cpu

    monkeypatch.setitem(sys.modules, "unicorn", None)
    cpu.unicorn.cache_clear()
    try:
        with pytest.raises(MachineError, match="Unicorn engine cannot be loaded"):
            Machine(64 << 20)
    finally:
        monkeypatch.undo()
        cpu.unicorn.cache_clear()
