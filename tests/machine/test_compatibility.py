"""i386 code in compatibility mode, on the same machine and page tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from toolkit.machine import InvalidOpcode, Machine, MachineError, PageFault, Syscall, Trap
from toolkit.machine.segments import descriptor

from .conftest import CODE, DATA, DATA_FRAME, PAGE, STACK, Sandbox

Load = Callable[..., Machine]


def load_32(load: Load, code: str) -> Machine:
    machine = load(code)
    machine.enter_program(32)
    machine.registers["rip"] = CODE
    machine.registers["rsp"] = STACK + PAGE
    return machine


def test_registers_are_32_bits_wide(load: Load) -> None:
    machine = load_32(load, "31c0 48 50 5b cd80")  # xor eax,eax; dec eax; push eax; pop ebx; int 0x80
    assert machine.code_bits == 32
    assert machine.run(10) == Syscall("int80")
    assert machine.instructions == 5
    assert machine.registers["rbx"] == 0xFFFF_FFFF
    assert machine.selectors == {"cs": 0x23, "ss": 0x2B, "ds": 0x2B, "es": 0x2B, "fs": 0, "gs": 0}


@pytest.mark.parametrize(
    ("code", "event"),
    [
        pytest.param("0f34", Syscall("sysenter"), id="sysenter"),
        pytest.param("a100000000", PageFault(0, 4), id="mov eax,[0]"),
        pytest.param("ec", Trap(13), id="in al,dx"),
        pytest.param("c5f058c1", InvalidOpcode("this CPU has no AVX: the instruction is VEX or EVEX encoded"), id="vaddps"),
        pytest.param("c4042400 cd80", PageFault(0x2B, 4), id="les eax,[esp] is no VEX"),
    ],
)  # fmt: skip
def test_events(load: Load, code: str, event: object) -> None:
    machine = load_32(load, code)
    if "les" in code or code.startswith("c404"):
        machine.registers["rsp"] = 0x2B
    assert machine.run(10) == event


def test_int3_and_64_bit_again(load: Load) -> None:
    machine = load_32(load, "cc")
    assert machine.run() == Trap(3, 0, True)
    machine = load("4831c0 48ffc8 0f05")
    assert machine.code_bits == 64
    assert machine.run() == Syscall("syscall")
    assert machine.registers["rax"] == (1 << 64) - 1


def test_the_first_32_bit_program_behind_a_counted_run() -> None:
    """There the engine ends an uncounted run without a word; the CPU's mode must change all the same."""
    machine = Machine()
    sandbox = Sandbox(machine)
    assert sandbox.load("9090 0f05").run(10) == Syscall("syscall")
    assert load_32(sandbox.load, "cd80").run(10) == Syscall("int80")


def test_thread_local_storage_through_gs(load: Load) -> None:
    machine = load_32(load, "b863000000 8ee8 65a108000000 cd80")  # mov eax,0x63; mov gs,eax; mov eax,gs:[8]
    machine.set_descriptor(12, descriptor(DATA, 0xFFFFF, 0xF2, 0xC))
    machine.bytes[DATA_FRAME * PAGE + 8] = 42
    assert machine.run() == Syscall("int80")
    assert machine.registers["rax"] == 42


def test_thread_local_descriptors_go_with_the_context(load: Load) -> None:
    machine = load_32(load, "90")
    machine.set_descriptor(13, 7)
    saved = machine.save_context()
    machine.set_descriptor(13, 8)
    machine.restore_context(saved)
    assert machine.descriptor(13) == 7
    with pytest.raises(MachineError, match="does not belong to threads"):
        machine.set_descriptor(6, 0)


def test_far_jumps_change_the_mode_and_back(load: Load) -> None:
    # 64-bit: push 0x23; push 0x400010; retfq; then 32-bit at 0x400010: jmp 0x33:0x400020; there inc rax; syscall
    code = bytearray(0x30)
    code[0:9] = bytes.fromhex("6a23 6810004000 48cb")
    code[0x10:0x17] = bytes.fromhex("ea 20004000 3300")
    code[0x20:0x25] = bytes.fromhex("48ffc0 0f05")
    machine = load(bytes(code))
    assert machine.run() == Syscall("syscall")
    assert (machine.registers["rax"], machine.code_bits) == (1, 64)
