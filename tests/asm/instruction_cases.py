"""Systematic instructions: every form of the table with every kind of operand it names, addresses, immediates, mixtures."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator

from toolkit.asm.instructions import Form, forms, mnemonics
from toolkit.asm.statement import (
    ImmediateOperand,
    Instruction,
    MemoryOperand,
    Operand,
    RegisterOperand,
    Value,
)

BOUNDARIES = sorted(
    {
        base + step
        for base in (
            0,
            1 << 7,
            1 << 8,
            1 << 15,
            1 << 16,
            1 << 31,
            1 << 32,
            (1 << 63) - 3,
            -(1 << 7),
            -(1 << 15),
        )
        for step in (-2, -1, 0, 1)
    }
    | {-(1 << 31) + step for step in (-1, 0, 1)}
    | {5, 0xFFFFFF80, 0xFFFFFF7F, 0xFFFFFFFFFFFFFF80 - (1 << 64), -(1 << 63)}
)
_SIZES = {"8": 1, "16": 2, "32": 4, "64": 8, "80": 10, "128": 16, "256": 32, "512": 64}
_GENERAL = {
    1: ("al", "cl", "ah", "dil", "r9b", "bh"),
    2: ("ax", "dx", "bp", "r12w"),
    4: ("eax", "ecx", "esi", "r13d"),
    8: ("rax", "rdx", "rsp", "r8"),
}
_FAMILIES = {
    "mmx": ("mm0", "mm7"),
    "xmm": ("xmm0", "xmm6", "xmm9", "xmm17", "xmm31"),
    "ymm": ("ymm0", "ymm7", "ymm13", "ymm21"),
    "zmm": ("zmm1", "zmm10", "zmm30"),
    "k": ("k0", "k3", "k7"),
    "bnd": ("bnd0", "bnd3"),
    "tmm": ("tmm0", "tmm5"),
    "fpu": ("st0", "st5"),
}
_NAMED = {
    "reg_sreg": ("es", "cs", "fs"),
    "reg_creg": ("cr0", "cr8"),
    "reg_dreg": ("dr7", "dr1"),
    "reg_treg": ("tr3", "tr6"),
    "reg32na": ("ebx", "eax"),
    "fpu0": ("st0", "st1"),
    "xmm0": ("xmm0", "xmm1"),
}
_BASES = {16: ("bx", "si"), 32: ("ebx", "ecx"), 64: ("rbx", "rcx")}


def memory(bits: int, size: int = 0, shape: int = 0, **more: object) -> MemoryOperand:
    """One of some typical addresses in the mode's own address size."""
    base, index = _BASES[bits]
    terms: tuple[tuple[str, int], ...]
    scale = 1 if bits == 16 else 4
    constant, terms = (
        (0, ((base, 1),)),
        (0x40, ((base, 1), (index, scale))),
        (0x1234, ()),
        (-0x81, ((base, 1),)),
        (0, (("r12", 1),) if bits == 64 else ((base, 1),)),
        (0x200, ((base, 1),)),
    )[shape]
    return MemoryOperand(Value(constant, terms), size, hint_base=terms[0][0] if terms else None, **more)  # type: ignore[arg-type]


def _vector_memory(bits: int, size: int, register: str) -> list[MemoryOperand]:
    base = _BASES[32 if bits == 16 else bits][0]
    terms = ((base, 1), (register, 4))
    plain = MemoryOperand(Value(0x40, terms), size, hint_base=base)
    alone = MemoryOperand(Value(0x41, ((register, 2),)), size, hint_not_base=register)
    return [plain, alone, MemoryOperand(Value(0, ((register, 1), (base, 1))), 0, hint_base=register)]


def choices(word: str, bits: int) -> list[Operand]:
    """Operands that a form's operand word, such as ``zmmrm512|b64|sae``, stands for (and some neighbours)."""
    parts = word.split("|")
    found: list[Operand] = []
    for part in parts:
        if part not in ("rs2", "rs4", "near", "far", "short", "to", "mask", "z", "er", "sae"):
            found += _part_choices(part, bits, parts)
    if "mask" in parts:
        first = found[0]
        assert isinstance(first, RegisterOperand | MemoryOperand)
        for zeroing in (False, True):
            found.append(_decorate(first, "k5", zeroing))
    return found


def _decorate(operand: Operand, opmask: str, zeroing: bool) -> Operand:
    if isinstance(operand, RegisterOperand):
        return RegisterOperand(operand.name, opmask, zeroing)
    assert isinstance(operand, MemoryOperand)
    return MemoryOperand(
        operand.value, operand.size, hint_base=operand.hint_base, opmask=opmask, zeroing=zeroing
    )


def _part_choices(part: str, bits: int, parts: list[str]) -> list[Operand]:
    name = part.rstrip("0123456789")
    size = _SIZES.get(part[len(name) :], 0)
    if part in ("b16", "b32", "b64"):
        return [memory(bits, shape=1, broadcast=count) for count in (2, 4, 8, 16, 32)]
    if part in _NAMED:
        return [RegisterOperand(register) for register in _NAMED[part]]
    if part.startswith("reg_"):
        return [RegisterOperand(part[4:]), RegisterOperand("bx")]
    if name in ("xmem", "ymem", "zmem"):
        register = part[0] + "mm"
        return [one for number in ("3", "19") for one in _vector_memory(bits, size, register + number)]
    if name in ("imm", "sbyteword", "sbytedword", "udword", "sdword", "unity"):
        return _immediates(parts, size)
    if name in ("mem", "mem_offs"):
        return _memories(bits, size)
    return _register_choices(name, size, bits, parts)


def _immediates(parts: list[str], size: int) -> list[Operand]:
    distance = next((part for part in parts if part in ("short", "near", "far")), None)
    found: list[Operand] = [ImmediateOperand(Value(5), distance=distance)]
    found += [ImmediateOperand(Value(number), distance=distance) for number in (1, -1, 200, 0x12345678)]
    found += [ImmediateOperand(Value(5), each, distance=distance) for each in {size, 1, 4} if each]
    found.append(ImmediateOperand(Value(5), size, strict=True, distance=distance))
    return found


def _memories(bits: int, size: int) -> list[Operand]:
    found: list[Operand] = [memory(bits, 0, shape) for shape in range(6)]
    return found + [memory(bits, each, 1) for each in sorted({size, 1, 4, 8}) if each]


def _register_choices(name: str, size: int, bits: int, parts: list[str]) -> list[Operand]:
    found: list[Operand] = []
    if name in ("reg", "rm"):
        found = [RegisterOperand(register) for register in _GENERAL[size]]
    for family, registers in _FAMILIES.items():
        if name.startswith(family) and name not in ("rm",):
            found = [RegisterOperand(register) for register in registers]
            if family == "k" and size:
                found += [RegisterOperand(register, size=size) for register in registers]
            break
    if name.endswith("rm") or name == "rm":
        found += _memories(bits, size)
    sets = {"rs2": 2, "rs4": 4}
    for part in parts:
        if part in sets:
            found = [RegisterOperand(found[1].name, set_size=sets[part]), *found]  # type: ignore[union-attr]
    return found


def form_cases(form: Form, bits: int) -> Iterator[Instruction]:
    """The form with each of its operands varied in turn, and with its decorators."""
    if any("colon" in word for word in form.words):
        return
    options = [choices(word, bits) for word in form.words]
    if any(not option for option in options):
        return
    first = [option[0] for option in options]
    yield Instruction(form.mnemonic, tuple(first))
    for position, option in enumerate(options):
        for other in option[1:]:
            yield Instruction(form.mnemonic, (*first[:position], other, *first[position + 1 :]))
    yield Instruction(form.mnemonic, tuple(option[-1] for option in options))
    yield Instruction(form.mnemonic, tuple(option[len(option) // 2] for option in options))
    for position, word in enumerate(form.words):
        parts = word.split("|")
        names = ("{sae}",) if "sae" in parts else ()
        names += ("{rn-sae}", "{rz-sae}", "{rd-sae}", "{ru-sae}") if "er" in parts else ()
        for decorator in names:
            yield Instruction(form.mnemonic, tuple(first), (), (decorator,), decorated_operand=position)


def table_cases(bits: int, names: Iterable[str] | None = None) -> Iterator[Instruction]:
    """``form_cases`` of every form of the table."""
    for mnemonic in names or mnemonics():
        for form in forms(mnemonic):
            yield from form_cases(form, bits)


def shuffled_cases(
    bits: int, names: Iterable[str] | None = None, count: int = 6, seed: int = 0
) -> Iterator[Instruction]:
    """Every form ``count`` times with all its operands chosen at random from those it names."""
    chance = random.Random(seed)
    for mnemonic in names or mnemonics():
        for form in forms(mnemonic):
            options = [choices(word, bits) for word in form.words]
            if options and all(options):
                for _ in range(count):
                    yield Instruction(mnemonic, tuple(chance.choice(option) for option in options))


def compressed_displacement_cases(bits: int, names: Iterable[str] | None = None) -> Iterator[Instruction]:
    """Every EVEX form with displacements around what its disp8 can count to, plain and broadcast."""
    for mnemonic in names or mnemonics():
        for form in forms(mnemonic):
            legal = next(form_cases(form, bits), None) if form.evex else None
            if legal is None:
                continue
            for position, word in enumerate(form.words):
                if "rm" in word or word.startswith("mem"):
                    yield from _displaced(legal, position, form, bits)


def _displaced(legal: Instruction, position: int, form: Form, bits: int) -> Iterator[Instruction]:
    base = _BASES[bits][0]
    counts = (0, 2, 4, 8, 16, 32) if "|b" in form.words[position] else (0,)
    for unit in (1, 2, 4, 8, 16, 32, 64):
        for factor in (1, 127, 128, -128, -129):
            for count in counts:
                operand = MemoryOperand(Value(unit * factor, ((base, 1),)), hint_base=base, broadcast=count)
                changed = (*legal.operands[:position], operand, *legal.operands[position + 1 :])
                yield Instruction(legal.mnemonic, changed)


def mutated_cases(bits: int, names: Iterable[str] | None = None) -> Iterator[Instruction]:
    """Every form with each operand in turn replaced by each one of the pool."""
    replacements = pool(bits)
    for mnemonic in names or mnemonics():
        for form in forms(mnemonic):
            legal = next(form_cases(form, bits), None)
            for position in range(len(legal.operands)) if legal else ():
                for other in replacements:
                    changed = (*legal.operands[:position], other, *legal.operands[position + 1 :])  # type: ignore[union-attr]
                    yield Instruction(mnemonic, changed)


def prefix_cases(bits: int) -> Iterator[Instruction]:
    """Each mnemonic's first form under each prefix."""
    prefixes = "rep repne lock xacquire xrelease bnd nobnd fs cs o16 o32 o64 a16 a32 a64 wait {vex} {evex} {vex3} {vex2} {rex}"
    for mnemonic in mnemonics():
        if forms(mnemonic):
            instruction = next(form_cases(forms(mnemonic)[0], bits), None)
            if instruction is not None:
                for prefix in prefixes.split():
                    yield Instruction(mnemonic, instruction.operands, (prefix,))


def pool(bits: int) -> list[Operand]:
    """Operands of every class, legal or not for any one mnemonic."""
    registers = (
        "al ah ax cx eax edx rax r9 sil cl ds fs cr0 dr7 st0 st4 mm1 xmm0 xmm20 ymm3 zmm2 k1 bnd1 tmm1"
    )
    found: list[Operand] = [RegisterOperand(name) for name in registers.split()]
    found += [ImmediateOperand(Value(number)) for number in (1, 5, 0x1234, 0x12345678, -1, 1 << 40)]
    found += [ImmediateOperand(Value(5), size) for size in (1, 2, 4, 8)]
    found += [memory(bits, size, 1) for size in (0, 1, 2, 4, 8, 10, 16, 32, 64)]
    found += [memory(bits, 0, 2), ImmediateOperand(Value(5), distance="near")]
    return found


def mixtures(bits: int, count: int, names: Iterable[str], limit: int, seed: int) -> Iterator[Instruction]:
    """Each mnemonic with ``limit`` random choices of ``count`` operands from the pool (all, where there are fewer)."""
    operands = pool(bits)
    chance = random.Random(seed)
    for mnemonic in names:
        if len(operands) ** count <= limit:
            chosen: Iterable[tuple[Operand, ...]] = itertools.product(operands, repeat=count)
        else:
            chosen = (tuple(chance.choices(operands, k=count)) for _ in range(limit))
        for each in chosen:
            yield Instruction(mnemonic, each)


def far_cases(bits: int) -> Iterator[Instruction]:
    """``segment:offset`` and far memory, with every size; register sets; x87's TO."""
    for mnemonic in ("jmp", "call", "push"):
        for outer, inner in itertools.product((0, 1, 2, 4, 8), repeat=2):
            for segment, offset in ((0x10, 0x20), (0x12345, 0x123456789)):
                target = ImmediateOperand(Value(offset), inner, segment=Value(segment), segment_size=outer)
                yield Instruction(mnemonic, (target,))
        for size, distance in itertools.product((0, 1, 2, 4, 8, 10), (None, "near", "far", "short")):
            yield Instruction(mnemonic, (memory(bits, size, 1, distance=distance),))
            if distance != "far" or mnemonic != "push":
                yield Instruction(mnemonic, (ImmediateOperand(Value(5), size, distance=distance),))
    for mnemonic in ("fadd", "fsubr", "fdiv", "fmul", "fcom", "fxch", "mov"):
        for name in ("st0", "st3", "eax"):
            yield Instruction(mnemonic, (RegisterOperand(name, to=True),))
            yield Instruction(mnemonic, (RegisterOperand(name, to=True), RegisterOperand("st0")))
    for mnemonic in ("v4fmaddps", "vp2intersectd", "vaddps", "v4dpwssd"):
        for name, count in itertools.product(("zmm4", "zmm5", "k2", "k3", "xmm4"), (0, 2, 4, 8, 16, 3)):
            other = RegisterOperand("zmm1" if name[0] == "z" else "xmm1")
            grouped = RegisterOperand(name, set_size=count)
            yield Instruction(mnemonic, (other, grouped, memory(bits)))
            yield Instruction(mnemonic, (grouped, other, other))
            yield Instruction(mnemonic, (grouped, other, memory(bits, 0, 1, broadcast=8)))


_SCALES = (1, 2, 3, 4, 5, 8, 9)
_DISPLACEMENTS = (0, 1, 127, 128, -128, -129, 0x12345678, 0x80000000, 1 << 33)


def address_cases(bits: int) -> Iterator[Instruction]:
    """Every pair of base and index, scale, displacement, written size, hint and keyword, in ``lea``-like forms."""
    for operand in _addresses(bits):
        yield Instruction("mov", (RegisterOperand("ecx"), operand))
        yield Instruction("mov", (RegisterOperand("al"), operand))


def _addresses(bits: int) -> Iterator[MemoryOperand]:
    names = {
        16: ["bx", "bp", "si", "di", "ax", "sp", "eax", "ebp", "esp", "esi"],
        32: ["eax", "ebp", "esp", "esi", "ecx", "bx", "si", "bp", "al"],
        64: ["rax", "rbp", "rsp", "r12", "r13", "rcx", "r9", "eax", "ebp", "r12d", "esp", "bx", "xmm1"],
    }[bits]
    for displacement in _DISPLACEMENTS:
        yield from _bare(displacement)
        for name in names:
            yield from _single(name, displacement)
        for base, index in itertools.permutations(names, 2):
            yield from _pair(base, index, displacement)


def _bare(displacement: int) -> Iterator[MemoryOperand]:
    for size in (0, 1, 2, 4, 8):
        for relative in (None, True, False):
            for segment in (None, "fs"):
                yield MemoryOperand(
                    Value(displacement), relative=relative, displacement_size=size, segment_override=segment
                )


def _single(name: str, displacement: int) -> Iterator[MemoryOperand]:
    for scale in _SCALES:
        value = Value(displacement, ((name, scale),))
        plain = {"hint_base": name} if scale == 1 else {"hint_not_base": name}
        yield MemoryOperand(value, **plain)  # type: ignore[arg-type]
        yield MemoryOperand(value, no_split=True, **plain)  # type: ignore[arg-type]
        yield MemoryOperand(value, hint_not_base=name)
        yield MemoryOperand(value, hint_not_base=name, no_split=True)
    for size in (1, 2, 4, 8):
        yield MemoryOperand(Value(displacement, ((name, 1),)), displacement_size=size, hint_base=name)
    yield MemoryOperand(Value(displacement, ((name, 1),)), hint_base=name, relative=True, address_size=32)


def _pair(base: str, index: str, displacement: int) -> Iterator[MemoryOperand]:
    for scale in (1, 2, 3, 4, 8):
        value = Value(displacement, ((base, 1), (index, scale)))
        yield MemoryOperand(value, hint_base=base)
        if scale == 1:
            yield MemoryOperand(value, hint_base=index)
            yield MemoryOperand(value, hint_not_base=base)
        else:
            yield MemoryOperand(value, hint_not_base=index)


def immediate_cases() -> Iterator[Instruction]:
    """Every boundary value in every place an immediate can stand, plain, sized and strict."""
    for mnemonic in ("add", "mov", "test", "imul", "cmp"):
        for register in ("al", "cl", "ax", "cx", "eax", "ecx", "rax", "rcx", "r9"):
            for number in BOUNDARIES:
                for size, strict in itertools.product((0, 1, 2, 4, 8), (False, True)):
                    operand = ImmediateOperand(Value(number), size, strict)
                    yield Instruction(mnemonic, (RegisterOperand(register), operand))
    for number in BOUNDARIES:
        for size, strict in itertools.product((0, 1, 2, 4, 8), (False, True)):
            operand = ImmediateOperand(Value(number), size, strict)
            for mnemonic in ("push", "int", "ret", "aam"):
                yield Instruction(mnemonic, (operand,))
            for mnemonic in ("shl", "bt", "in"):
                yield Instruction(mnemonic, (RegisterOperand("eax"), operand))
            yield Instruction("shld", (RegisterOperand("eax"), RegisterOperand("ecx"), operand))
            yield Instruction("enter", (operand, ImmediateOperand(Value(1))))
            yield Instruction("imul", (RegisterOperand("rax"), RegisterOperand("rcx"), operand))
