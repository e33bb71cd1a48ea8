"""Running a few bytes of code: events, counts, paging."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from toolkit.machine import (
    Breakpoint,
    BudgetSpent,
    Interrupted,
    InvalidOpcode,
    Machine,
    MachineError,
    Nondeterministic,
    PageFault,
    Syscall,
    Trap,
)

from .conftest import CODE, DATA, PAGE, Sandbox

Load = Callable[..., Machine]


@pytest.mark.parametrize(
    ("code", "event", "offset", "count"),
    [
        pytest.param("31c0 0f05", Syscall("syscall"), 4, 2, id="xor eax,eax; syscall"),
        pytest.param("cd80", Syscall("int80"), 2, 1, id="int 0x80"),
        pytest.param("cc", Trap(3, 0, True), 1, 1, id="int3"),
        pytest.param("cd03", Trap(3, 0, True), 2, 1, id="int 3"),
        pytest.param("cd04", Trap(4, 0, True), 2, 1, id="int 4"),
        pytest.param("cd00", Trap(13, 2), 0, 0, id="int 0"),
        pytest.param("cd21", Trap(13, 0x21 * 8 + 2), 0, 0, id="int 0x21"),
        pytest.param("0f0b", InvalidOpcode(), 0, 0, id="ud2"),
        pytest.param("90 0f0b", InvalidOpcode(), 1, 1, id="nop; ud2"),
        pytest.param("f4", Trap(13), 0, 0, id="hlt"),
        pytest.param("90 ec", Trap(13), 1, 1, id="nop; in al,dx"),
        pytest.param("90 0fa2", Nondeterministic("cpuid", 2), 1, 1, id="nop; cpuid"),
        pytest.param("31c9 f7f1", Trap(0), 2, 1, id="div ecx, zero"),
        pytest.param("8a042500000000", PageFault(0, 4), 0, 0, id="mov al,[0]"),
        pytest.param("880425ff0f4000", PageFault(0x400FFF, 7), 0, 0, id="mov [0x400fff],al"),
        pytest.param("ff2425 00204000", PageFault(0, 0x14), None, 1, id="jmp [zero]"),
        pytest.param("ebfe", BudgetSpent(), 0, 100, id="jmp $"),
    ],
)
def test_event(load: Load, code: str, event: object, offset: int | None, count: int) -> None:
    machine = load(code)
    assert machine.run(100) == event
    assert machine.registers["rip"] == (0 if offset is None else CODE + offset)
    assert machine.instructions == count


def test_syscall_leaves_rcx_and_r11_as_the_cpu_does(load: Load) -> None:
    machine = load("31c0 0f05")
    machine.run()
    assert machine.registers["rcx"] == CODE + 4
    assert machine.registers["r11"] == machine.registers["rflags"] == 0x246


def test_three_faults_in_a_row_stay_page_faults(load: Load) -> None:
    machine = load("8a042500000000")
    assert [machine.run() for _ in range(3)] == [PageFault(0, 4)] * 3


def test_an_entry_filled_in_after_the_fault_lets_the_program_go_on(load: Load, sandbox: Sandbox) -> None:
    machine = load("8a0425 00604000 0f05")
    assert machine.run() == PageFault(0x406000, 4)
    sandbox.map(0x406, 40, 5)
    machine.bytes[40 * PAGE] = 77
    assert machine.run() == Syscall("syscall")
    assert machine.registers["rax"] == 77


def test_accessed_and_dirty_bits_are_kept(load: Load, sandbox: Sandbox) -> None:
    machine = load("8a0425 00204000 880425 00304000 0f05")
    sandbox.map(0x403, 41, 7)
    machine.run()
    assert sandbox.entry(0x402) & 0x60 == 0x20
    assert sandbox.entry(0x403) & 0x60 == 0x60


@pytest.mark.parametrize("budget", [1, 2, 3, 7, 1000, 1001])
def test_a_budget_is_exact(load: Load, budget: int) -> None:
    machine = load("31c9 ffc1 ebfc")  # xor ecx,ecx; again: inc ecx; jmp again
    assert machine.run(budget) == BudgetSpent()
    assert machine.instructions == budget
    assert machine.registers["rcx"] == budget // 2


def test_a_run_may_be_cut_anywhere(load: Load) -> None:
    machine = load("31c9 ffc1 ebfc")
    for budget in (1, 2, 3, 5, 8, 13):
        machine.run(budget)
    whole = machine.registers.as_dict()
    machine = load("31c9 ffc1 ebfc")
    machine.run(32)
    assert machine.registers.as_dict() == whole


@pytest.mark.parametrize("budget", [None, 100])
def test_instructions_are_counted_with_a_budget_and_without(load: Load, budget: int | None) -> None:
    machine = load("ffc1 0f05 ebfa")  # again: inc ecx; syscall; jmp again
    for turn in range(6):
        assert machine.run(budget) == Syscall("syscall")
        assert machine.instructions == (3 if turn else 2)


@pytest.mark.parametrize("rotation", ["d01425", "d01c25", "48d11425", "66d11425", "d21425"])
def test_a_rotation_through_carry_that_faults_has_changed_no_flags(
    load: Load, sandbox: Sandbox, rotation: str
) -> None:
    machine = load(
        f"b101 2c01 {rotation} 00604000 0f05"
    )  # mov cl,1; sub al,1; rcl or rcr [0x406000]; syscall
    assert machine.run(10) == PageFault(0x406000, 4)
    assert machine.registers["rflags"] & 0x8D5 == 0x95  # CF PF AF SF, as the subtraction left them
    sandbox.map(0x406, 40, 7)
    machine.words[40 * 512] = 0
    assert machine.run(10) == Syscall("syscall")
    assert machine.words[40 * 512] in (1, 0x80)


def test_a_breakpoint_stops_before_its_instruction(load: Load) -> None:
    machine = load("ffc1 ffc1 ffc1 0f05")
    machine.set_breakpoints({CODE + 4})
    assert machine.run() == Breakpoint()
    assert machine.registers["rip"] == CODE + 4
    assert machine.registers["rcx"] == 2


def test_self_modifying_code_runs_as_modified(load: Load, sandbox: Sandbox) -> None:
    # mov byte [CODE+9], 0xc8 turns the following inc eax (ff c0) into dec eax
    machine = load("c60425 09004000 c8 ffc0 0f05")
    sandbox.map(0x400, 24, 7)
    machine.run()
    assert machine.registers["rax"] == (1 << 32) - 1


def test_write_physical_replaces_translated_code(load: Load) -> None:
    machine = load("b801000000 0f05")
    machine.run()
    machine.write_physical(24 * PAGE + 1, b"\x02")
    machine.registers["rip"] = CODE
    machine.run()
    assert machine.registers["rax"] == 2


def test_contexts_carry_registers_and_sse(load: Load) -> None:
    machine = load("660f6ec0 0f05 660f7ec3 0f05")  # movd xmm0,eax; syscall; movd ebx,xmm0; syscall
    machine.registers["rax"] = 0x1234
    machine.run()
    saved = machine.save_context()
    load("660fefc0 0f05")  # pxor xmm0,xmm0
    machine.run()
    load("660f6ec0 0f05 660f7ec3 0f05")
    machine.restore_context(saved)
    machine.run()
    assert machine.registers["rbx"] == 0x1234


def test_reset_forgets_the_last_program(load: Load) -> None:
    machine = load("8a0425 00204000 0f05")
    machine.bytes[25 * PAGE] = 9
    machine.run()
    machine.fs_base = 0x1000
    load("0f05")
    assert (machine.registers["rax"], machine.fs_base) == (0, 0)
    assert machine.bytes[25 * PAGE] == 0


def test_a_wrong_page_table_is_ours_to_answer_for(load: Load, sandbox: Sandbox) -> None:
    machine = load("8a0425 00204000")
    sandbox.map(0x402, (64 << 20) // PAGE + 5, 7)
    with pytest.raises(MachineError, match="beyond physical memory"):
        machine.run()
    assert load("0f05").run() == Syscall("syscall")
    assert DATA == 0x402000


@pytest.mark.parametrize("budget", [None, 1 << 50])
def test_a_loop_is_interrupted_from_another_thread(load: Load, budget: int | None) -> None:
    machine = load("48ffc0 ebfb")
    timer = threading.Timer(0.05, machine.interrupt)
    timer.start()
    assert machine.run(budget) == Interrupted()
    timer.join(5)
    assert not timer.is_alive()
    assert machine.registers["rax"] > 1000
    assert CODE <= machine.registers["rip"] <= CODE + 5
    if budget:
        assert abs(machine.instructions - 2 * machine.registers["rax"]) <= 2
    assert machine.run(10) == BudgetSpent()


def test_the_vsyscall_page_is_for_the_kernel_to_answer(load: Load) -> None:
    machine = load("48c7c0 000060ff ffd0")  # mov rax,0xffffffffff600000; call rax
    assert machine.run(10) == PageFault(0xFFFF_FFFF_FF60_0000, 0x14)
    assert machine.registers["rip"] == 0xFFFF_FFFF_FF60_0000
    assert machine.instructions == 2
