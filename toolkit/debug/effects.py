"""One sentence on what an instruction will do, and what it has done: ``rax = 5 + 7 = 12; ZF cleared``.

An `Effect` is made from the state before the instruction. `will_do` tells the result that the rules of the instruction
give; `has_done` tells what is there afterwards, from the state that the processor left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from toolkit.debug import flags
from toolkit.debug.operands import Instruction, Place, Read, number
from toolkit.grading.registers import WIDE

Value = tuple[str, int | None]
"""How a value is formed, and what it is if that is known."""


@dataclass(frozen=True)
class Effect:
    """``writes``: each place that changes, with how its new value is formed; ``remark`` is the rest of the sentence."""

    instruction: Instruction
    writes: tuple[tuple[Place, Value], ...] = ()
    remark: str = ""

    def will_do(self) -> str:
        """What will happen, if nothing faults."""
        unreadable = [
            each for each in self.instruction.operands if each.address is not None and each.value is None
        ]
        if unreadable and unreadable[0].bits <= 64 and self.instruction.touches_memory:
            return f"will fault: {unreadable[0].text} can't be read"
        parts = [_assignment(place, formed, result) for place, (formed, result) in self.writes]
        return "; ".join([*parts, *filter(None, [self.remark])]) or self.instruction.text

    def has_done(self, registers: Mapping[str, int], read: Read) -> str:
        """What has happened, by the state after it."""
        parts = [_assignment(place, formed, place.now(registers, read)) for place, (formed, _) in self.writes]
        if not parts and not self.remark:
            parts = self._differences(registers, read) or [self.instruction.text]
        before = self.instruction.registers["rflags"]
        changed = "" if self._is_call_of_the_kernel else flags.changes(before, registers["rflags"])
        return "; ".join(filter(None, [*parts, self.remark, changed]))

    @property
    def _is_call_of_the_kernel(self) -> bool:
        return self.instruction.mnemonic in ("syscall", "int", "sysenter")

    def _differences(self, registers: Mapping[str, int], read: Read) -> list[str]:
        """For an instruction without a rule: the registers and memory operands that are not what they were."""
        before = self.instruction.registers
        parts = [
            f"{name} = {number(registers[name])} (was {number(before[name])})"
            for name in WIDE
            if registers[name] != before[name]
        ]
        for place in self.instruction.operands:
            after = place.now(registers, read) if place.address is not None else None
            if after is not None and after != place.value:
                parts.append(f"{place.text} = {number(after, place.bits)}")
        return parts


def effect_of(instruction: Instruction) -> Effect:
    """What the instruction does, by its mnemonic."""
    for pattern, rule in RULES:
        if (match := re.fullmatch(pattern, instruction.mnemonic)) is not None:
            return rule(instruction, *match.groups())
    return Effect(instruction)


def _assignment(place: Place, formed: str, result: int | None) -> str:
    if result is None:
        return f"{place.text} = {formed}" if formed else f"{place.text} changes"
    shown = number(result, place.bits)
    return f"{place.text} = {formed} = {shown}" if formed not in ("", shown) else f"{place.text} = {shown}"


def _text(place: Place) -> str:
    """An operand in a formula: its value, or its name where that isn't known."""
    return place.text if place.value is None else number(place.value, place.bits)


def _source(place: Place) -> str:
    """The same, saying where in memory it was read."""
    return f"{_text(place)} from {place.text}" if place.address is not None else _text(place)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


# -- rules -----------------------------------------------------------------------------------------------------

_OPERATIONS: dict[str, tuple[str, Callable[[int, int, int], int]]] = {
    "add": ("+", lambda a, b, c: a + b),
    "sub": ("-", lambda a, b, c: a - b),
    "adc": ("+", lambda a, b, c: a + b + c),
    "sbb": ("-", lambda a, b, c: a - b - c),
    "and": ("and", lambda a, b, c: a & b),
    "or": ("or", lambda a, b, c: a | b),
    "xor": ("xor", lambda a, b, c: a ^ b),
    "imul": ("*", lambda a, b, c: a * b),
}


def _calculate(i: Instruction, name: str) -> Effect:
    """Two operands and a sign between them; the last of three is the factor of imul."""
    if len(i.operands) < 2:
        return _multiply(i, name)
    target, *sources = i.operands
    first, second = (target, sources[0]) if len(sources) == 1 else sources
    sign, operate = _OPERATIONS[name]
    carry = i.registers["rflags"] & 1
    extra = f" {sign} CF ({carry})" if name in ("adc", "sbb") else ""
    if name in ("xor", "sub") and first == second:
        return Effect(i, ((target, ("0", 0)),), "itself and itself: always 0")
    immediate = _text(second).replace("-", "") if name == "add" and _text(second).startswith("-") else None
    shown = f"- {immediate}" if immediate else f"{sign} {_source(second)}"
    result = None
    if first.value is not None and second.value is not None:
        result = operate(first.value, second.value, carry) & (1 << target.bits) - 1
    return Effect(i, ((target, (f"{_text(first)} {shown}{extra}", result)),))


def _multiply(i: Instruction, name: str) -> Effect:
    """One operand: the product is twice as wide (Intel SDM vol. 2, MUL and IMUL)."""
    factor = i.operands[0]
    low, high = _accumulator(i, factor.bits)
    if factor.value is None:
        return Effect(i)
    a, b = low.value or 0, factor.value
    if name == "imul":
        a, b = _signed(a, factor.bits), _signed(b, factor.bits)
    product = a * b & (1 << 2 * factor.bits) - 1
    formed = f"{_text(low)} * {_source(factor)}"
    if factor.bits == 8:
        return Effect(i, ((i.register("ax"), (formed, product)),))
    mask = (1 << factor.bits) - 1
    return Effect(i, ((low, (formed, product & mask)), (high, ("the upper half", product >> factor.bits))))


def _divide(i: Instruction, name: str) -> Effect:
    """The dividend is twice as wide as the divisor; quotients are cut towards 0."""
    divisor = i.operands[0]
    low, high = _accumulator(i, divisor.bits)
    if divisor.bits == 8:
        low, high = i.register("al"), i.register("ah")
    wide, by = (high.value or 0) << divisor.bits | (low.value or 0), divisor.value
    if by is None:
        return Effect(i)
    if by == 0:
        return Effect(i, remark="will fault: division by 0")
    if name == "idiv":
        wide, by = _signed(wide, 2 * divisor.bits), _signed(by, divisor.bits)
    quotient, remainder = divmod(abs(wide), abs(by))
    quotient = -quotient if (wide < 0) != (by < 0) else quotient
    remainder = -remainder if wide < 0 else remainder
    smallest, largest = (-(1 << divisor.bits - 1), (1 << divisor.bits - 1) - 1)
    if name == "div":
        smallest, largest = 0, (1 << divisor.bits) - 1
    if not smallest <= quotient <= largest:
        return Effect(
            i, remark=f"will fault: {wide:#x} / {by:#x} = {quotient:#x} doesn't fit into {low.text}"
        )
    mask = (1 << divisor.bits) - 1
    formed = f"{wide if abs(wide) < 1 << 32 else hex(wide)} / {_source(divisor)}"
    return Effect(i, ((low, (formed, quotient & mask)), (high, ("the remainder", remainder & mask))))


def _accumulator(i: Instruction, bits: int) -> tuple[Place, Place]:
    names = {8: ("al", "ah"), 16: ("ax", "dx"), 32: ("eax", "edx"), 64: ("rax", "rdx")}[bits]
    return i.register(names[0]), i.register(names[1])


def _move(i: Instruction, extension: str = "") -> Effect:
    target, source = i.operands
    value = source.value
    if value is None:
        return Effect(i)
    if extension:
        signed = extension.startswith("s")
        value = (_signed(value, source.bits) if signed else value) & (1 << target.bits) - 1
        return Effect(i, ((target, (f"{_source(source)}, {'sign' if signed else 'zero'}-extended", value)),))
    where = i.names(value) if target.bits == 64 else ""
    return Effect(i, ((target, (_source(source), value)),), f"the address of {where}" if where else "")


def _address(i: Instruction) -> Effect:
    target, source = i.operands
    assert source.address is not None
    value = source.address & (1 << target.bits) - 1
    where = i.names(source.address)
    said = "the address itself" + (f", {where}" if where else "") + "; memory isn't touched"
    return Effect(i, ((target, (number(value, target.bits), value)),), said)


def _one_operand(i: Instruction, name: str) -> Effect:
    target = i.operands[0]
    if target.value is None:
        return Effect(i)
    signs = {"inc": ("{} + 1", 1), "dec": ("{} - 1", -1)}
    mask = (1 << target.bits) - 1
    if name in signs:
        text, change = signs[name]
        return Effect(i, ((target, (text.format(_text(target)), target.value + change & mask)),))
    result = -target.value & mask if name == "neg" else ~target.value & mask
    return Effect(i, ((target, (f"{'-' if name == 'neg' else 'not '}({_text(target)})", result)),))


def _shift(i: Instruction, name: str) -> Effect:
    """Counts are taken modulo 32, or 64 for 64-bit operands."""
    target, by = i.operands[0], i.operands[1] if len(i.operands) > 1 else None
    if target.value is None:
        return Effect(i)
    bits, mask = target.bits, (1 << target.bits) - 1
    count = (1 if by is None or by.value is None else by.value) & (63 if bits == 64 else 31)
    value, turn = target.value, count % bits
    result = {
        "shl": value << count,
        "sal": value << count,
        "shr": value >> count,
        "sar": _signed(value, bits) >> count,
        "rol": value << turn | value >> bits - turn,
        "ror": value >> turn | value << bits - turn,
    }[name]
    sign = {"shl": "<<", "sal": "<<", "shr": ">>", "sar": ">> (signed)", "rol": "rotated left by"}
    formed = f"{_text(target)} {sign.get(name, 'rotated right by')} {count}"
    return Effect(i, ((target, (formed, result & mask)),))


def _compare(i: Instruction, name: str) -> Effect:
    first, second = i.operands
    if first.value is None or second.value is None:
        return Effect(i)
    a, b = first.value, second.value
    if name == "test":
        result = a & b
        zero = "no common bit" if a != b else "zero"
        kind = zero if not result else "negative" if result >> first.bits - 1 else "not zero"
        return Effect(
            i, remark=f"tests {_source(first)} and {_source(second)} = {number(result, first.bits)}: {kind}"
        )
    signed = (_signed(a, first.bits), _signed(b, first.bits))
    word = "equal" if a == b else "below" if a < b else "above"
    sense = (
        ""
        if a == b or (a < b) == (signed[0] < signed[1])
        else f" unsigned, {'less' if signed[0] < signed[1] else 'greater'} signed"
    )
    return Effect(i, remark=f"compares {_source(first)} with {_source(second)}: {word}{sense}")


def _exchange(i: Instruction) -> Effect:
    first, second = i.operands
    return Effect(i, ((first, (_text(second), second.value)), (second, (_text(first), first.value))))


def _conditional(i: Instruction, kind: str, suffix: str) -> Effect:
    if suffix not in flags.CONDITIONS:
        return Effect(i)
    holds, reason = flags.condition(suffix, i.registers["rflags"])
    if kind == "set":
        return Effect(i, ((i.operands[0], (str(int(holds)), int(holds))),), f"because {reason}")
    if kind == "cmov":
        moved = _move(i)
        return Effect(
            i, moved.writes if holds else (), ("because " if holds else "nothing moves, because ") + reason
        )
    if not holds:
        return Effect(i, remark=f"doesn't jump, because {reason}")
    return Effect(i, remark=f"jumps to {_destination(i)}, because {reason}")


def _destination(i: Instruction) -> str:
    target = i.operands[0]
    return target.text if target.value is None else i.where(target.value)


def _jump(i: Instruction) -> Effect:
    return Effect(i, remark=f"jumps to {_destination(i)}")


def _jump_if_zero(i: Instruction, name: str) -> Effect:
    count = i.register(name)
    return Effect(
        i,
        remark=f"{'jumps to ' + _destination(i) if not count.value else 'does not jump'}, because {name} = {_text(count)}",
    )


def _loop(i: Instruction, suffix: str) -> Effect:
    counter = i.register("rcx" if i.bits == 64 else "ecx")
    left = (counter.value or 0) - 1 & (1 << counter.bits) - 1
    zero = bool(i.registers["rflags"] & 0x40)
    again = bool(left) and (not suffix or zero == (suffix in ("e", "z")))
    said = f"jumps to {_destination(i)}" if again else "doesn't jump"
    why = f", because ZF = {int(zero)}" if suffix and left else ""
    return Effect(i, ((counter, (f"{_text(counter)} - 1", left)),), said + why)


def _word(i: Instruction) -> tuple[int, Place]:
    """Bytes of a stack slot, and the stack pointer."""
    return i.bits // 8, i.register("rsp" if i.bits == 64 else "esp")


def _push(i: Instruction) -> Effect:
    _, pointer = _word(i)
    value = i.operands[0] if i.operands else None
    if value is None or value.value is None or value.bits not in (16, i.bits):
        return Effect(i)
    top = (pointer.value or 0) - value.bits // 8 & (1 << i.bits) - 1
    slot = i.memory(top, value.bits // 8)
    return Effect(
        i, ((slot, (_source(value), value.value)), (pointer, (f"{pointer.text} - {value.bits // 8}", top)))
    )


def _pop(i: Instruction) -> Effect:
    _, pointer = _word(i)
    if not i.operands or i.operands[0].register == pointer.text:
        return Effect(i)
    target = i.operands[0]
    slot = i.memory(pointer.value or 0, target.bits // 8)
    rest = (pointer.value or 0) + target.bits // 8 & (1 << i.bits) - 1
    return Effect(
        i,
        (
            (target, ("the top of the stack", slot.value)),
            (pointer, (f"{pointer.text} + {target.bits // 8}", rest)),
        ),
    )


def _call(i: Instruction) -> Effect:
    return Effect(i, remark=f"calls {_destination(i)}; the return address {i.where(i.next)} is pushed")


def _return(i: Instruction) -> Effect:
    size, pointer = _word(i)
    slot = i.memory(pointer.value or 0, size)
    if slot.value is None:
        return Effect(i, remark=f"will fault: the stack at {pointer.value or 0:#x} can't be read")
    return Effect(i, remark=f"returns to {i.where(slot.value)}, the top of the stack")


def _leave(i: Instruction) -> Effect:
    size, pointer = _word(i)
    frame = i.register("rbp" if i.bits == 64 else "ebp")
    top = (frame.value or 0) + size
    saved = i.memory(frame.value or 0, size)
    return Effect(
        i,
        ((pointer, (f"{frame.text} + {size}", top)), (frame, ("the value saved on the stack", saved.value))),
    )


_EXTENSIONS = {
    "cbw": ("al", "ax", None), "cwde": ("ax", "eax", None), "cdqe": ("eax", "rax", None),
    "cwd": ("ax", None, "dx"), "cdq": ("eax", None, "edx"), "cqo": ("rax", None, "rdx"),
}  # fmt: skip


def _extend(i: Instruction, name: str) -> Effect:
    source, whole, upper = _EXTENSIONS[name]
    place = i.register(source)
    assert place.value is not None
    signed = _signed(place.value, place.bits)
    target = i.register(whole or upper or "")
    value = (signed if whole else (-1 if signed < 0 else 0)) & (1 << target.bits) - 1
    said = f"{source} ({_text(place)}), sign-extended" if whole else f"the sign of {source} ({_text(place)})"
    return Effect(i, ((target, (said, value)),))


def _string(i: Instruction, name: str) -> Effect:
    """movs, stos, lods, scas, cmps: one element at a time; each repetition is a step of its own."""
    left = i.register("rcx" if i.bits == 64 else "ecx").value
    if i.prefix and not left:
        return Effect(i, remark="does nothing, because rcx = 0")
    how = {"movs": "copies {1} to {0}", "stos": "stores {1} in {0}", "lods": "loads {1} into {0}",
           "scas": "compares {0} with {1}", "cmps": "compares {0} with {1}"}[name]  # fmt: skip
    places = [
        each.text if each.address is not None and name in ("movs", "stos") else _source(each)
        for each in i.operands
    ]
    if len(places) < 2:
        return Effect(i)
    if name == "lods":
        places[0] = i.operands[0].text
    if name == "movs":
        places[1] = _source(i.operands[1])
    repeated = f"; repetition, {number(left or 0)} to do" if i.prefix else ""
    return Effect(i, remark=how.format(*places) + repeated)


_SAID = {
    "nop": "does nothing",
    "endbr64": "does nothing: a mark for indirect jumps",
    "clc": "CF = 0", "stc": "CF = 1", "cmc": "CF is inverted",
    "cld": "DF = 0: string instructions go upwards", "std": "DF = 1: string instructions go downwards",
    "int3": "will trap: a breakpoint kills a program without a debugger (SIGTRAP)",
    "ud2": "will fault: this is the undefined instruction (SIGILL)",
    "hlt": "will fault: only the kernel may halt the processor (SIGSEGV)",
}  # fmt: skip


def _said(i: Instruction) -> Effect:
    return Effect(i, remark=_SAID[i.mnemonic])


def _system_call(i: Instruction) -> Effect:
    from toolkit.debug.calls import describe

    if i.mnemonic == "int" and i.operands[0].value != 0x80:
        return Effect(i, remark=f"will fault: int {i.operands[0].text} is not for programs")
    return Effect(i, remark=describe(i))


RULES: tuple[tuple[str, Callable[..., Effect]], ...] = (
    (r"(add|sub|adc|sbb|and|or|xor|imul)", _calculate),
    (r"(mul)", _multiply),
    (r"(div|idiv)", _divide),
    (r"mov|movabs", _move),
    (r"mov([sz])xd?", _move),
    (r"lea", _address),
    (r"(inc|dec|neg|not)", _one_operand),
    (r"(shl|sal|shr|sar|rol|ror)", _shift),
    (r"(cmp|test)", _compare),
    (r"xchg", _exchange),
    (r"jmp", _jump),
    (r"j(rcxz|ecxz|cxz)", lambda i, name: _jump_if_zero(i, name[:-1])),
    (r"loop(e|z|ne|nz|)", _loop),
    (r"(cmov|set|j)([a-z]+)", _conditional),
    (r"push", _push),
    (r"pop", _pop),
    (r"call", _call),
    (r"ret", _return),
    (r"leave", _leave),
    (r"(cbw|cwde|cdqe|cwd|cdq|cqo)", _extend),
    (r"(movs|stos|lods|scas|cmps)[bwdq]", _string),
    (r"syscall|sysenter|int", _system_call),
    ("|".join(_SAID), _said),
)
"""Mnemonics, and what makes their effect; the first that matches."""
