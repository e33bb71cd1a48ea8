"""Which instructions the engine gets wrong, found by decoding a block of code before it runs.

`specials` is a pure function of the bytes, so its answers are kept: a second program with the same code pays a
dictionary look-up. Capstone is imported when the first block is met that `plain` does not vouch for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Literal

from toolkit.machine import opcodes
from toolkit.machine.events import MachineError
from toolkit.machine.plain import is_plain, plain_lengths

Kind = Literal[
    "privileged",
    "no-avx",
    "invalid",
    "icebp",
    "answer",
    "aligned",
    "load-mxcsr",
    "save-mxcsr",
    "touch",
    "access",
    "umip",
]

GENERAL_NAMES = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()  # noqa: SIM905
NO_AVX = "this CPU has no AVX: the instruction is VEX or EVEX encoded"
LOCK_NEEDS_MEMORY = "LOCK is allowed only with a read-modify-write instruction whose destination is in memory"

# An instruction that aborts the engine when it is translated: LOCK BT/BTS/BTR/BTC with a register destination.
FATAL = re.compile(
    rb"\xf0[\x26\x2e\x36\x3e\x64-\x67\xf0\xf2\xf3]{0,4}[\x40-\x4f]?\x0f(?:[\xa3\xab\xb3\xbb]|\xba)[\xc0-\xff]"
)
# RCL and RCR in memory, perhaps after prefixes.
ROTATION = rb"[\xc0\xc1\xd0-\xd3][\x10-\x1f\x50-\x5f\x90-\x9f]"
MAYBE_ROTATION = re.compile(ROTATION)
IS_ROTATION = re.compile(rb"[\x26\x2e\x36\x3e\x64-\x67\xf2\xf3]*[\x40-\x4f]?" + ROTATION)
PORTS = frozenset("in out insb insw insd outsb outsw outsd".split())  # noqa: SIM905
DESCRIPTOR_TABLES = frozenset("sgdt sidt sldt str smsw".split())  # noqa: SIM905
ANSWERED = {"cpuid": "cpuid", "rdrand": "rdrand", "rdseed": "rdseed", "rdtsc": "rdtsc", "rdtscp": "rdtscp"}
TOUCHING = frozenset(("clflush", "clflushopt", "clwb"))
UNALIGNED = frozenset(
    [
        "movups",
        "movupd",
        "movdqu",
        "lddqu",
        "pcmpestri",
        "pcmpestrm",
        "pcmpistri",
        "pcmpistrm",
        "maskmovdqu",
        "cmpxchg16b",
        "comisd",
        "bndmov",
        "invpcid",
        "invept",
        "invvpid",
    ]
)
NO_ACCESS = frozenset("lea nop prefetcht0 prefetcht1 prefetcht2 prefetchnta prefetchw".split())  # noqa: SIM905
STACK_OFFSETS = {
    "push": -8,
    "pushfq": -8,
    "pushfd": -8,
    "call": -8,
    "pop": 0,
    "popfq": 0,
    "popfd": 0,
    "ret": 0,
}
FXSAVE = frozenset(("fxsave", "fxsave64", "fxrstor", "fxrstor64"))


@dataclass(frozen=True, slots=True)
class Operand:
    """A memory operand: general register numbers (-1: none), or RIP-relative with the base included later."""

    base: int
    index: int
    scale: int
    displacement: int
    segment: str = ""
    width: int = 64
    rip_relative: bool = False


@dataclass(frozen=True, slots=True)
class Special:
    """One instruction that needs care; `offset` and `length` are in bytes."""

    offset: int = field(compare=False)
    length: int
    kind: Kind
    name: str
    operand: Operand | None = None
    register: int = 0
    size: int = 8


@cache
def disassembler(bits: int) -> Any:
    """A Capstone engine with operand details. Raises MachineError when Capstone is missing."""
    try:
        import capstone
    except (ImportError, OSError) as error:
        raise MachineError(
            f"Capstone cannot be loaded ({error}): install it with `pip install capstone`"
        ) from error
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64 if bits == 64 else capstone.CS_MODE_32)
    engine.detail = True
    return engine


@lru_cache(maxsize=1 << 15)
def specials(code: bytes, bits: int) -> tuple[Special, ...]:
    """The instructions in a block of `bits`-bit code that need care, in order."""
    if bits == 64 and is_plain(code):
        return ()
    found, end = [], 0
    for instruction, place in instructions(code, bits):
        end = place
        special = None if instruction is None else classify(instruction, bits)
        if special is not None:
            found.append(special)
    if end < len(code):  # Capstone does not know the next one: nothing after it will be reached
        refused = refusal(code[end:], bits, end)
        if refused is not None:
            found.append(refused)
    return tuple(found)


def instructions(code: bytes, bits: int) -> Iterator[tuple[Any, int]]:
    """Each instruction as Capstone has it, with where it ends; None for those it does not know and CPUs run all the same."""
    place = 0
    while place < len(code):
        for instruction in disassembler(bits).disasm(code[place:], place):
            place = instruction.address + instruction.size
            yield instruction, place
        length = opcodes.unlisted_length(code[place:], bits) if place < len(code) else 0
        if not length:
            return
        place += length
        yield None, place


def refusal(code: bytes, bits: int, offset: int = 0) -> Special | None:
    """The special for an instruction that every CPU refuses."""
    kinds: dict[str, Kind] = {
        "privileged": "privileged",
        "vex": "no-avx",
        "lock": "invalid",
        "invalid": "invalid",
    }
    fault = opcodes.fault(code, bits)
    return Special(offset, 1, kinds[fault], fault) if fault else None


@lru_cache(maxsize=1 << 10)
def accesses(code: bytes, bits: int) -> tuple[Special, ...]:
    """The memory accesses in a block that #AC is about: explicit operands of 2, 4 or 8 bytes, and the stack."""
    found = []
    for instruction, _ in instructions(code, bits):
        operand = None if instruction is None else memory_operand(instruction)
        size = next((item.size for item in instruction.operands if item.type == 3), 0)
        if operand is not None and size in (2, 4, 8) and instruction.mnemonic not in NO_ACCESS:
            found.append(
                Special(instruction.address, instruction.size, "access", "operand", operand, size=size)
            )
        if instruction is not None and instruction.mnemonic in STACK_OFFSETS:
            stack = Operand(4, -1, 1, STACK_OFFSETS[instruction.mnemonic] * bits // 64, width=bits)
            found.append(
                Special(instruction.address, instruction.size, "access", "stack", stack, size=bits // 8)
            )
    return tuple(found)


@lru_cache(maxsize=1 << 12)
def first(code: bytes, bits: int) -> Special | None:
    """The special instruction at the start of `code`, if there is one; its offset counts as 0."""
    for instruction in disassembler(bits).disasm(code, 0, 1):
        return classify(instruction, bits)
    return refusal(code, bits)


def boundary(code: bytes, bits: int, limit: int) -> int:
    """How many bytes of `code` are whole instructions that end at or before `limit`."""
    end = 0
    for _, length, _, _ in disassembler(bits).disasm_lite(code, 0):
        if end + length > limit:
            break
        end += length
    return end


@lru_cache(maxsize=1 << 12)
def instructions_in(code: bytes, bits: int) -> int:
    """How many instructions `code` holds, which ends where one ends."""
    lengths = plain_lengths(code) if bits == 64 else None
    if lengths is not None:
        return len(lengths)
    return sum(1 for _ in instructions(code, bits))


def classify(instruction: Any, bits: int) -> Special | None:
    """What care a decoded instruction needs; None for nearly all."""
    code = bytes(instruction.bytes)
    name = instruction.mnemonic.removeprefix("rep ").removeprefix("repne ").removeprefix("lock ")
    refused = refusal(code, bits, instruction.address)
    if refused is not None and refused.kind != "no-avx":  # of those BMI has some in general registers
        return refused
    kind: Kind | None = None
    if name in DESCRIPTOR_TABLES:
        register = instruction.operands[0]
        return Special(
            instruction.address, instruction.size, "umip", name, memory_operand(instruction),
            register_number(instruction, register.reg) if register.type == 1 else -1, register.size,
        )  # fmt: skip
    if name in PORTS:
        kind = "privileged"
    elif name in ANSWERED:
        register = register_number(instruction, instruction.operands[0].reg) if instruction.operands else 0
        size = instruction.operands[0].size if instruction.operands else 8
        return Special(instruction.address, instruction.size, "answer", name, register=register, size=size)
    elif is_vector_extension(code, bits, name):
        kind = "no-avx"
    elif code[0] == 0xF1:
        kind = "icebp"
    elif name in ("ldmxcsr", "fxrstor", "fxrstor64"):
        kind = "load-mxcsr"
    elif name in ("stmxcsr", "fxsave", "fxsave64"):
        kind = "save-mxcsr"
    elif name in TOUCHING:
        kind = "touch"
    elif needs_alignment(instruction, name):
        kind = "aligned"
    if kind is None:
        return None
    return Special(instruction.address, instruction.size, kind, name, memory_operand(instruction))


GENERAL_VEX = frozenset(
    "andn bextr blsi blsmsk blsr bzhi mulx pdep pext rorx sarx shlx shrx".split()  # noqa: SIM905
)


def is_vector_extension(code: bytes, bits: int, name: str) -> bool:
    """VEX, EVEX or XOP encoded, other than the general-register instructions of BMI."""
    start = 0
    while start < len(code) - 2 and code[start] in b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3":
        start += 1
    lead = code[start]
    if lead not in (0xC4, 0xC5, 0x62, 0x8F) or name in GENERAL_VEX:
        return False
    if lead == 0x8F:
        return code[start + 1] & 0x1F >= 8
    return bits == 64 or code[start + 1] >= 0xC0


def needs_alignment(instruction: Any, name: str) -> bool:
    """Whether a 16-byte memory operand must be aligned (SDM volume 1, 4.1.1): legacy SSE but for a few."""
    if name in FXSAVE:
        return True
    if name in UNALIGNED or name.startswith("sha") or "xmm" not in instruction.op_str:
        return False
    return any(operand.type == 3 and operand.size == 16 for operand in instruction.operands)


def memory_operand(instruction: Any) -> Operand | None:
    """The first operand in memory, in numbers."""
    for operand in instruction.operands:
        if operand.type != 3:  # X86_OP_MEM
            continue
        memory = operand.mem
        base_name = instruction.reg_name(memory.base) if memory.base else ""
        segment = instruction.reg_name(memory.segment) if memory.segment else ""
        rip_relative = base_name in ("rip", "eip")
        return Operand(
            base=-1 if rip_relative else register_number(instruction, memory.base),
            index=register_number(instruction, memory.index),
            scale=memory.scale,
            displacement=memory.disp,
            segment=segment if segment in ("fs", "gs") else "",
            width=8 * instruction.addr_size,
            rip_relative=rip_relative,
        )
    return None


@cache
def narrow_names() -> dict[str, int]:
    """Every name of a 64-, 32-, 16- or 8-bit general register, with its number."""
    numbers = {name: number for number, name in enumerate(GENERAL_NAMES)}
    for number, name in enumerate(GENERAL_NAMES):
        if number < 8:
            numbers["e" + name[1:]] = numbers[name[1:]] = number
        else:
            numbers.update({name + suffix: number for suffix in "dwb"})
    return numbers


def register_number(instruction: Any, register: int) -> int:
    """The number of a general register as Capstone names it, -1 for none or another kind of register."""
    if not register:
        return -1
    return narrow_names().get(instruction.reg_name(register), -1)


def effective_address(operand: Operand, registers: Any, next_instruction: int, segment_base: int) -> int:
    """The linear address of `operand`, given the general registers in hardware order."""
    address = operand.displacement + segment_base
    if operand.rip_relative:
        address += next_instruction
    if operand.base >= 0:
        address += registers[operand.base]
    if operand.index >= 0:
        address += registers[operand.index] * operand.scale
    if operand.width == 32:
        return (address - segment_base & 0xFFFF_FFFF) + segment_base & 0xFFFF_FFFF_FFFF_FFFF
    return address & 0xFFFF_FFFF_FFFF_FFFF


STACK_INSTRUCTIONS = frozenset(
    "push pop call ret retf leave enter pushf pushfq popf popfq".split()  # noqa: SIM905
)


BIT_STRINGS = frozenset(("bt", "bts", "btr", "btc"))  # the bit number moves the address
STACK_POINTERS = {"leave": (5,), "enter": (4, 5)}


def faults_in_stack_segment(code: bytes, registers: Any, address: int) -> bool:
    """Whether the instruction at `address`, which raised #GP for an address, natively raises #SS.

    A non-canonical address is a stack fault when RSP or RBP is the base register or the access is a push or a
    pop (SDM volume 1, 3.7.4 and volume 3, 6.15, interrupt 12).
    """
    for instruction in disassembler(64).disasm(code, address, 1):
        operand = memory_operand(instruction)
        if operand is not None and not operand.segment:
            if instruction.mnemonic in BIT_STRINGS:
                return operand.base in (4, 5)
            place = effective_address(operand, registers, address + instruction.size, 0)
            if not is_canonical(place):
                return operand.base in (4, 5)
        if instruction.mnemonic in STACK_INSTRUCTIONS:
            pointers = STACK_POINTERS.get(instruction.mnemonic, (4,))
            return not all(is_canonical(registers[pointer] - 8) for pointer in pointers)
    return False


def missing_feature(code: bytes, bits: int) -> str:
    """Why an instruction that a current CPU runs is refused here: a sentence, or '' when any CPU refuses it."""
    for instruction in disassembler(bits).disasm(code, 0, 1):
        if is_vector_extension(bytes(instruction.bytes), bits, instruction.mnemonic):
            return NO_AVX
        loads_cs = instruction.mnemonic == "mov" and instruction.op_str.startswith("cs,")
        if not instruction.mnemonic.startswith("ud") and not loads_cs:
            return f"this CPU does not have the instruction {instruction.mnemonic}"
    return ""


def is_canonical(address: int) -> bool:
    """Whether bits 63 to 47 of a 64-bit address are all equal."""
    return address + (1 << 47) & 0xFFFF_FFFF_FFFF_FFFF < 1 << 48
