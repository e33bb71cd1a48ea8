"""The sentence on an instruction: what it says before the instruction runs is what the emulated processor then does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.asm import assemble
from toolkit.asm.link import LinkInput, link
from toolkit.debug.effects import Effect, effect_of
from toolkit.debug.operands import Instruction, decode, number
from toolkit.debug.stepper import begin
from toolkit.debug.timeline import Timeline

VALUES = (
    0,
    1,
    2,
    3,
    7,
    0x7F,
    0x80,
    0xFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    1 << 63,
    (1 << 64) - 1,
    (1 << 63) - 1,
)
LINES = """
add rax, rbx | add eax, ebx | add al, bl | add rax, 5 | add rax, -5 | sub rax, rbx | sub bx, ax | adc rax, rbx | sbb rax, rbx
and rax, rbx | or rax, rbx | xor rax, rbx | xor rax, rax | inc rax | dec bl | neg rax | not eax | shl rax, 3 | shl rax, cl | shr eax, cl
sar rax, cl | rol rax, 5 | ror bx, 3 | rol al, cl | imul rax, rbx | imul rax, rbx, 7 | imul rbx | mul rbx | mul ebx | mul bl | imul bl | div rbx | idiv rbx | div bl
idiv ebx | mov rax, rbx | mov eax, ebx | mov ah, bl | movzx eax, bl | movsx rax, bl | movsxd rax, ebx | lea rax, [rbx + rcx*4 + 7]
lea eax, [rbx + 1] | xchg rax, rbx | cmovz rax, rbx | cmovg rax, rbx | setc al | setbe bl | cbw | cwde | cdqe | cwd | cdq | cqo | push rax | push 5 | push word 5
pop rbx | mov [number], rax | add dword [number], ebx | mov rax, [number] | inc byte [number] | sub rax, [number] | leave | loop $ | xchg [number], rax
""".replace("\n", "|").split("|")  # fmt: skip
TEMPLATE = """
section .data
number: dq 0x8000000000000005
section .text
global _start
_start:
    {}
there:
    nop
"""


def program(line: str) -> Timeline:
    assembly = assemble(TEMPLATE.format(line), name="one.asm")
    assert assembly.object is not None, assembly.diagnostics
    return begin(link([LinkInput("one.o", assembly.object)]).elf or b"", ["./one"])


def effect(timeline: Timeline) -> Effect:
    registers = dict(timeline.registers)
    found = decode(timeline.read(registers["rip"], 15) or b"", registers, timeline.read, lambda address: "")
    assert isinstance(found, Instruction)
    return effect_of(found)


HARDWARE = {"rax": 0, "rcx": 1, "rdx": 2, "rbx": 3, "rbp": 5}


@pytest.mark.parametrize("line", [each.strip() for each in LINES if each.strip()])
def test_what_is_foretold_comes_true(line: str) -> None:
    timeline = program(line)

    @settings(max_examples=25, deadline=None)
    @given(
        st.tuples(*(st.one_of(st.sampled_from(VALUES), st.integers(0, (1 << 64) - 1)) for _ in range(4))),
        st.integers(0, 0xFFF),
    )
    def play(values: tuple[int, ...], flags: int) -> None:
        timeline.restart()
        for name, value in zip(("rax", "rcx", "rdx", "rbx"), values, strict=True):
            timeline.set_register(HARDWARE[name], value)
        timeline.set_register(HARDWARE["rbp"], timeline.registers["rsp"])
        timeline.set_register(17, 0x202 | flags & 0x8D5)
        told = effect(timeline)
        timeline.step()
        if "will fault" in told.will_do():
            assert timeline.outcome is not None
            return
        assert timeline.outcome is None, told.will_do()
        for place, (formed, result) in told.writes:
            assert place.now(timeline.registers, timeline.read) == result, (told.will_do(), place, formed)

    play()
    timeline.close()


FLAGS = {"CF": 0x1, "PF": 0x4, "ZF": 0x40, "SF": 0x80, "OF": 0x800}
SUFFIXES = "o no b c nae ae nc nb e z ne nz be na a nbe s ns p pe np po l nge ge nl le ng g nle".split()  # noqa: SIM905


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_jump_is_foretold(suffix: str) -> None:
    timeline = program(f"j{suffix} there + 1")
    for number_ in range(32):
        timeline.restart()
        timeline.set_register(
            17, 0x202 | sum(bit for i, bit in enumerate(FLAGS.values()) if number_ >> i & 1)
        )
        told = effect(timeline).will_do()
        start = timeline.registers["rip"]
        timeline.step()
        jumped = timeline.registers["rip"] != start + 2
        assert told.startswith("jumps to") == jumped, told
    timeline.close()


SENTENCES = [
    ("add rax, 7", {"rax": 5}, 0, "rax = 5 + 7 = 12", "rax = 5 + 7 = 12; PF set"),
    ("add rax, -1", {"rax": 1}, 0, "rax = 1 - 1 = 0", "rax = 1 - 1 = 0; CF set, PF set, AF set, ZF set"),
    ("xor eax, eax", {"rax": 5}, 0, "eax = 0; itself and itself: always 0", "eax = 0; itself and itself: always 0; PF set, ZF set"),
    ("cmp rax, 7", {"rax": 5}, 0, "compares 5 with 7: below", "compares 5 with 7: below; CF set, AF set, SF set"),
    ("cmp rax, 1", {"rax": (1 << 64) - 1}, 0, "compares -1 with 1: above unsigned, less signed", "compares -1 with 1: above unsigned, less signed; SF set"),
    ("mov al, [0]", {}, 0, "will fault: byte [0x0] can't be read", None),
    ("div rbx", {"rbx": 0}, 0, "will fault: division by 0", None),
    ("div bl", {"rax": 0x1000, "rbx": 2}, 0, "will fault: 0x1000 / 0x2 = 0x800 doesn't fit into al", None),
    ("mul rbx", {"rax": 6, "rbx": 7}, 0, "rax = 6 * 7 = 42; rdx = the upper half = 0", "rax = 6 * 7 = 42; rdx = the upper half = 0"),
    ("mov rax, [number]", {}, 0, "rax = 0x8000000000000005 from qword [0x402000] = 0x8000000000000005", "rax = 0x8000000000000005 from qword [0x402000] = 0x8000000000000005"),
    ("jz there", {}, 0, "doesn't jump, because ZF = 0", "doesn't jump, because ZF = 0"),
    ("jz there", {}, 0x40, "jumps to 0x401002, because ZF = 1", "jumps to 0x401002, because ZF = 1"),
    ("call there", {}, 0, "calls 0x401005; the return address 0x401005 is pushed", "calls 0x401005; the return address 0x401005 is pushed"),
    ("ret", {}, 0, "returns to 0x1, the top of the stack", "returns to 0x1, the top of the stack"),
    ("rep movsb", {"rcx": 0}, 0, "does nothing, because rcx = 0", None),
    ("popcnt rax, rbx", {"rbx": 7}, 0, "popcnt rax, rbx", "rax = 3 (was 0)"),
    ("syscall", {"rax": 1}, 0, "system call write(fd 0, buffer 0, count 0)", None),
    ("syscall", {"rax": 9999}, 0, "system call 9999: Linux has none of this number, so rax becomes -ENOSYS", None),
    ("bswap rax", {"rax": 1}, 0, "bswap rax", "rax = 0x100000000000000 (was 1)"),
    ("int 0x80", {"rax": 1}, 0, "system call exit(code 0)", None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "registers", "flags", "before", "after"), SENTENCES)
def test_sentences(line: str, registers: dict[str, int], flags: int, before: str, after: str | None) -> None:
    timeline = program(line)
    for name, value in registers.items():
        timeline.set_register(HARDWARE[name], value)
    timeline.set_register(17, 0x202 | flags)
    told = effect(timeline)
    assert told.will_do() == before
    timeline.step()
    if after is not None:
        assert told.has_done(timeline.registers, timeline.read) == after
    timeline.close()


NUMBERS = [(12, 64, "12"), ((1 << 64) - 1, 64, "-1"), (0xFF, 8, "255"), (0xFFFF_FFFF, 32, "-1"), (0x402000, 64, "0x402000")]  # fmt: skip


@pytest.mark.parametrize(("value", "bits", "text"), NUMBERS)
def test_numbers(value: int, bits: int, text: str) -> None:
    assert number(value, bits) == text
