"""Instructions the engine would run wrongly: the event, RIP, count, and that nothing after them has run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from toolkit.machine import Event, InvalidOpcode, Machine, Nondeterministic, PageFault, Trap, decode

from .conftest import CODE, DATA, DATA_FRAME, PAGE, STACK, Sandbox

Load = Callable[..., Machine]
RF = 0x10000  # set in the saved flags by a fault
STORE_MARK = "c60425 10204000 55"  # mov byte [DATA+16], 0x55
NO_AVX = InvalidOpcode("this CPU has no AVX: the instruction is VEX or EVEX encoded")
NO_LOCK = InvalidOpcode(decode.LOCK_NEEDS_MEMORY)
CASES = [
    pytest.param("ec", Trap(13), 0, id="in al,dx"),
    pytest.param("e540", Trap(13), 0, id="in eax,0x40"),
    pytest.param("ef", Trap(13), 0, id="out dx,eax"),
    pytest.param("e610", Trap(13), 0, id="out 0x10,al"),
    pytest.param("6c", Trap(13), 0, id="insb"),
    pytest.param("f36d", Trap(13), 0, id="rep insd"),
    pytest.param("6e", Trap(13), 0, id="outsb"),
    pytest.param("f1", Trap(1, 0, True), 1, id="icebp"),
    pytest.param("0f31", Nondeterministic("rdtsc", 2), 0, id="rdtsc"),
    pytest.param("0f01f9", Nondeterministic("rdtscp", 3), 0, id="rdtscp"),
    pytest.param("0fa2", Nondeterministic("cpuid", 2), 0, id="cpuid"),
    pytest.param("490fc7f3", Nondeterministic("rdrand", 4, 8, 11), 0, id="rdrand r11"),
    pytest.param("660fc7f8", Nondeterministic("rdseed", 4, 2, 0), 0, id="rdseed ax"),
    pytest.param("c5f058c1", NO_AVX, 0, id="vaddps xmm0,xmm1,xmm1"),
    pytest.param("c5f877", NO_AVX, 0, id="vzeroupper"),
    pytest.param("62f1744858c1", NO_AVX, 0, id="vaddps zmm0,zmm1,zmm1"),
    pytest.param("f00fa3c0", NO_LOCK, 0, id="lock bt eax,eax"),
    pytest.param("f0480fbae805", NO_LOCK, 0, id="lock bts rax,5"),
    pytest.param("0f280425 01204000", Trap(13), 0, id="movaps xmm0,[DATA+1]"),
    pytest.param("660f6f0425 08204000", Trap(13), 0, id="movdqa xmm0,[DATA+8]"),
    pytest.param("660ffe0425 08204000", Trap(13), 0, id="paddd xmm0,[DATA+8]"),
    pytest.param("0fae0425 08204000", Trap(13), 0, id="fxsave [DATA+8]"),
    pytest.param("0fae3c25 00005000", PageFault(0x500000, 4), 0, id="clflush [unmapped]"),
    pytest.param("0fae1425 00214000", Trap(13), 0, id="ldmxcsr with reserved bits"),
]


@pytest.mark.parametrize("budget", [None, 100])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("code", "event", "moved"), CASES)
def test_special(load: Load, code: str, event: Event, moved: int, place: int, budget: int | None) -> None:
    machine = load("90" * place + code + STORE_MARK + "0f05")
    machine.registers["rdi"] = DATA
    machine.bytes[DATA_FRAME * PAGE + 0x100 : DATA_FRAME * PAGE + 0x104] = b"\xff\xff\xff\xff"
    before = machine.registers.as_dict()
    assert machine.run(budget) == event
    assert machine.registers["rip"] == CODE + place + moved
    after = machine.registers.as_dict()
    assert after["rflags"] & ~RF == before["rflags"]
    assert bool(after["rflags"] & RF) == (isinstance(event, PageFault | InvalidOpcode | Trap) and moved == 0)
    assert after | {"rip": 0, "rflags": 0} == before | {"rip": 0, "rflags": 0}
    assert machine.bytes[DATA_FRAME * PAGE + 16] == 0
    if budget:
        assert machine.instructions == place + bool(moved)


@pytest.mark.parametrize(
    ("code", "rax"),
    [
        pytest.param("0f280425 10204000 0f05", 0, id="movaps xmm0,[DATA+16]"),
        pytest.param("0f100425 01204000 0f05", 0, id="movups xmm0,[DATA+1]"),
        pytest.param("c4e278f2c1 0f05", 7, id="andn eax,eax,ecx"),
        pytest.param("0fae3c25 00204000 0f05", 0, id="clflush [DATA]"),
        pytest.param("f2480f100425 01204000 0f05", 0, id="movsd xmm0,[DATA+1]"),
    ],
)
def test_what_is_allowed_runs(load: Load, code: str, rax: int) -> None:
    machine = load(code)
    machine.registers["rcx"] = 7
    assert str(machine.run()) == "Syscall(kind='syscall')"
    assert machine.registers["rax"] == rax


@pytest.mark.parametrize(
    ("code", "register", "event"),
    [
        pytest.param("8a00", "rax", Trap(13), id="mov al,[rax]"),
        pytest.param("8a4500", "rbp", Trap(12), id="mov al,[rbp]"),
        pytest.param("8a0424", "rsp", Trap(12), id="mov al,[rsp]"),
        pytest.param("8a042d00000000", "rbp", Trap(13), id="mov al,[rbp*1]"),
        pytest.param("50", "rsp", Trap(12), id="push rax"),
        pytest.param("58", "rsp", Trap(12), id="pop rax"),
        pytest.param("c3", "rsp", Trap(12), id="ret"),
    ],
)
def test_non_canonical_addresses(load: Load, code: str, register: str, event: Event) -> None:
    machine = load(code)
    machine.registers[register] = 0x8000_0000_0000_0000
    assert machine.run(10) == event
    assert machine.registers["rip"] == CODE


def test_what_lies_before_the_end_of_a_page_runs(load: Load) -> None:
    machine = load("ffc0 ffc0 ffc0", at=PAGE - 6)
    assert machine.run() == PageFault(CODE + PAGE, 0x14)
    assert machine.registers["rip"] == CODE + PAGE
    assert machine.registers["rax"] == 3


def test_an_instruction_across_the_end_of_a_page_faults_at_its_own_address(load: Load) -> None:
    machine = load("ffc0 b80100", at=PAGE - 5)
    assert machine.run(100) == PageFault(CODE + PAGE, 0x14)
    assert (machine.registers["rip"], machine.registers["rax"]) == (CODE + PAGE - 3, 1)
    assert machine.instructions == 1


def test_code_goes_on_when_the_next_page_is_there(load: Load, sandbox: Sandbox) -> None:
    machine = load("ffc0 b80100", at=PAGE - 5)
    machine.run()
    sandbox.map(0x401, 40, 5)
    machine.bytes[40 * PAGE : 40 * PAGE + 4] = b"\x00\x00\x0f\x05"
    assert str(machine.run()) == "Syscall(kind='syscall')"
    assert machine.registers["rax"] == 1


def test_a_syscall_at_the_end_of_a_page_needs_no_next_page(load: Load) -> None:
    machine = load("ffc0 0f05", at=PAGE - 4)
    assert str(machine.run()) == "Syscall(kind='syscall')"
    assert machine.registers["rip"] == CODE + PAGE


def test_answers(load: Load) -> None:
    machine = load("0f31 0fa2 480fc7f3 0f05")
    first = machine.run()
    assert isinstance(first, Nondeterministic)
    machine.answer(first, 0x1234_5678_9ABC_DEF0)
    assert (machine.registers["rax"], machine.registers["rdx"]) == (0x9ABCDEF0, 0x12345678)
    second = machine.run()
    assert isinstance(second, Nondeterministic)
    machine.answer(second, 1, 2, 3, 4)
    assert [machine.registers[name] for name in ("rax", "rbx", "rcx", "rdx")] == [1, 2, 3, 4]
    third = machine.run()
    assert isinstance(third, Nondeterministic)
    machine.answer(third, 77)
    assert machine.registers["rbx"] == 77
    assert machine.registers["rflags"] & 0x8D5 == 1


def test_a_misaligned_operand_is_found_in_the_middle_of_a_loop(load: Load) -> None:
    # again: movaps xmm0,[rsp]; sub rsp,rcx; inc rcx; jmp again
    machine = load("0f280424 4829cc 48ffc1 ebf4")
    machine.registers["rsp"] = STACK + 64
    assert machine.run(1000) == Trap(13)
    assert (machine.registers["rsp"], machine.instructions) == (STACK + 63, 8)


def test_alignment_is_checked_only_while_ac_is_set(load: Load) -> None:
    # mov eax,[0x402001]; pushfq; or dword [rsp],0x40000; popfq; mov eax,[0x402001]
    machine = load("8b0425 01204000 9c 810c24 00000400 9d 8b0425 01204000")
    machine.registers["rsp"] = STACK + 64
    assert machine.run(100) == Trap(17)
    assert (machine.registers["rip"], machine.instructions) == (CODE + 16, 4)


UNMASK_AND_DIVIDE = "c70424 001f0000 0fae1424 660fefc0 f30f5ec0 0f05"
# mov dword [rsp],0x1f00; ldmxcsr [rsp]; pxor xmm0,xmm0; divss xmm0,xmm0; syscall


@pytest.mark.parametrize("budget", [None, 100])
def test_an_unmasked_sse_exception_is_raised_at_its_instruction(load: Load, budget: int | None) -> None:
    machine = load(UNMASK_AND_DIVIDE)
    machine.registers["rsp"] = STACK + 64
    assert machine.run(budget) == Trap(19)
    assert machine.registers["rip"] == CODE + 15
    image = machine.fpu_state()
    assert int.from_bytes(image[24:28], "little") == 0x1F01
    assert image[160:176] == bytes(16)


def test_masked_exceptions_only_leave_their_flag(load: Load) -> None:
    machine = load(UNMASK_AND_DIVIDE.replace("001f0000", "801f0000"))
    machine.registers["rsp"] = STACK + 64
    assert str(machine.run(100)) == "Syscall(kind='syscall')"
    assert machine.instructions == 5
    assert int.from_bytes(machine.fpu_state()[24:28], "little") == 0x1F81


def test_unmasked_exceptions_belong_to_the_thread(load: Load) -> None:
    machine = load("0f05 f30f5ec0 0f05")  # syscall; divss xmm0,xmm0; syscall
    machine.run()
    masked = machine.save_context()
    machine.set_fpu_state(bytes(24) + (0x1F00).to_bytes(4, "little") + bytes(484))
    open_to_exceptions = machine.save_context()
    machine.restore_context(masked)
    assert str(machine.run()) == "Syscall(kind='syscall')"
    machine.restore_context(open_to_exceptions)
    assert machine.run() == Trap(19)


def test_system_registers_as_linux_shows_them(load: Load) -> None:
    machine = load("0f010425 00204000 0f00c8 0f05")  # sgdt [0x402000]; str eax; syscall
    machine.registers["rax"] = (1 << 64) - 1
    assert str(machine.run(100)) == "Syscall(kind='syscall')"
    assert machine.instructions == 3
    assert machine.registers["rax"] == 0xFFFF_FFFF_0000_0040
    start = DATA_FRAME * PAGE
    assert machine.bytes[start : start + 10] == bytes.fromhex("0000 0000feffffffffff")


def test_a_store_of_system_registers_faults_like_any_other(load: Load, sandbox: Sandbox) -> None:
    machine = load("0f010425 fa2f4000 0f05")  # sgdt across the end of the page at 0x402000
    assert machine.run(100) == PageFault(0x403000, 6)
    assert machine.instructions == 0
    sandbox.map(0x403, 41, 7)
    assert str(machine.run(100)) == "Syscall(kind='syscall')"
    assert machine.bytes[41 * PAGE : 41 * PAGE + 4] == b"\xff\xff\xff\xff"
    assert sandbox.entry(0x403) & 0x60 == 0x60
