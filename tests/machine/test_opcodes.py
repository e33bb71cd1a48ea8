"""What a CPU has against an instruction, from its bytes."""

from __future__ import annotations

import pytest

from toolkit.machine import decode, opcodes

from .conftest import CODE, Load


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        pytest.param("f001c0", "lock", id="lock add eax,eax"),
        pytest.param("f00100", "", id="lock add [rax],eax"),
        pytest.param("f00300", "lock", id="lock add eax,[rax]"),
        pytest.param("f0833800", "lock", id="lock cmp [rax],0"),
        pytest.param("f0480fc70f", "", id="lock cmpxchg16b [rdi]"),
        pytest.param("f00fba2805", "", id="lock bts [rax],5"),
        pytest.param("f00fba2005", "lock", id="lock bt [rax],5"),
        pytest.param("f09d", "lock", id="lock popf"),
        pytest.param("f001", "", id="cut off"),
        pytest.param("f0", "", id="a prefix alone"),
        pytest.param("", "", id="nothing"),
        pytest.param("0f0fc19e", "invalid", id="pfadd"),
        pytest.param("0f22c8", "invalid", id="mov cr1,rax"),
        pytest.param("440f22c0", "", id="mov cr8,rax"),
        pytest.param("0f33", "privileged", id="rdpmc"),
        pytest.param("c5cccccccc", "vex", id="VEX"),
        pytest.param("66c7fc1acc", "invalid", id="mov with an extension"),
        pytest.param("ff38", "invalid", id="the eighth of group 5"),
        pytest.param("fed0", "invalid", id="the third of group 4"),
        pytest.param("48f0a200000000", "lock", id="a REX before LOCK"),
        pytest.param("90", "", id="nop"),
    ],
)
def test_fault(code: str, fault: str) -> None:
    assert opcodes.fault(bytes.fromhex(code), 64) == fault


def test_les_is_no_vex_in_32_bit_code() -> None:
    assert opcodes.fault(bytes.fromhex("c40424"), 32) == ""
    assert opcodes.fault(bytes.fromhex("c4c424"), 32) == "vex"


def test_a_block_cut_by_the_engine_is_not_misjudged_for_ever(load: Load) -> None:
    """`psrlq mm4, 0xcc` with a prefix: the engine's block ends before the ModRM byte that tells its form."""
    machine = load("f30f71d4cc 0f05")
    assert str(machine.run(10)) in ("InvalidOpcode(reason='')", "Syscall(kind='syscall')")
    assert machine.registers["rip"] >= CODE
    assert decode.specials(bytes.fromhex("f30f71"), 64) == ()
