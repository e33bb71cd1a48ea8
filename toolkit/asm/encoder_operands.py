"""From operands as written to operands as nasm matches them: classes, base and index, prefixes in their slots.

Follows the second half of nasm's parse_line() and add_asp(): what an operand may be taken for depends on its value
(an immediate that fits a byte is also an ``imm8``), on the mode and on DEFAULT REL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.asm.encoder_errors import EncodeError
from toolkit.asm.instructions import PREFIXES, REGISTERS, PrefixSlot, Register
from toolkit.asm.instructions import operand_classes as classes
from toolkit.asm.statement import (
    EncodingContext,
    ImmediateOperand,
    Instruction,
    MemoryOperand,
    RegisterOperand,
    Value,
)

if TYPE_CHECKING:
    from toolkit.asm.statement import Operand as WrittenOperand

MAXIMUM_OPTIMISATION = 1 << 20
NO_VALUE = Value()
_ROUNDINGS = {"rn-sae": 0, "rd-sae": 1, "ru-sae": 2, "rz-sae": 3}


@dataclass(slots=True)
class Operand:
    """One operand while a form is sought. ``source`` is its position in the written instruction.

    ``offset`` is the constant part of ``value``; ``relocated``: a section or symbol is added to it; ``self_relative``:
    the current section's start is subtracted. ``hint_kind`` says of ``hint``: "base", "not base", or "summed".
    """

    classes: int
    source: int
    register: Register | None = None
    value: Value = NO_VALUE
    offset: int = 0
    relocated: bool = False
    self_relative: bool = False
    unknown: bool = False
    base: Register | None = None
    index: Register | None = None
    scale: int = 0
    hint: Register | None = None
    hint_kind: str = ""
    displacement_bits: int = 0
    relative: bool | None = None
    segment_fs_gs: bool = False
    no_split: bool = False
    force_sib: bool = False
    mib: bool = False
    opmask: int = 0
    zeroing: bool = False
    broadcast: int = 0
    broadcast_element: int = 0
    rounding: bool = False
    sae: bool = False

    @property
    def is_memory(self) -> bool:
        """Whether it is a memory reference."""
        return self.classes & classes.MEMORY == classes.MEMORY

    @property
    def is_absolute(self) -> bool:
        """Whether its value is a plain number (nasm's absolute_op)."""
        return not self.relocated and not self.self_relative and self.value.wrt is None


@dataclass(slots=True)
class Prepared:
    """An instruction ready for matching. ``prefixes`` has one entry for each slot, "" where there is none."""

    mnemonic: str
    operands: list[Operand]
    prefixes: list[str]
    bits: int
    address_bits: int = 0
    decorated: int = -1  # the operand with a broadcast, rounding or sae decorator
    rounding_mode: int = 0
    default_relative: bool = False
    level: int = MAXIMUM_OPTIMISATION
    impossible_address: bool = False  # its operands' address sizes contradict
    warnings: list[str] = field(default_factory=list)


def optimisation_level(optimise: int) -> int:
    """nasm's internal level for ``-O<optimise>``: -1 stands for the default -Ox, -O0 and -O1 mean -1 and 0."""
    if optimise < 0:
        return MAXIMUM_OPTIMISATION
    return optimise - 1 if optimise < 2 else optimise


def prepare(instruction: Instruction, context: EncodingContext) -> Prepared:
    """Classify everything written in ``instruction``. Raises EncodeError for what nasm's parser refuses."""
    prepared = Prepared(
        instruction.mnemonic,
        [],
        [""] * len(PrefixSlot),
        context.bits,
        default_relative=context.default_relative,
        level=optimisation_level(context.optimise),
    )
    for prefix in instruction.prefixes:
        _add_prefix(prepared, prefix)
    for position, written in enumerate(instruction.operands):
        _add_operand(prepared, written, position, context)
    _add_decorators(prepared, instruction)
    for position, operand in enumerate(prepared.operands):
        if operand.broadcast or operand.rounding or operand.sae:
            prepared.decorated = position
    _choose_address_size(prepared)
    return prepared


def _add_prefix(prepared: Prepared, prefix: str) -> None:
    slot = PREFIXES[prefix]
    present = prepared.prefixes[slot]
    if present == prefix:
        prepared.warnings.append("instruction has redundant prefixes [-w+other]")
    elif present:
        raise EncodeError("conflicting-prefixes", "instruction has conflicting prefixes")
    prepared.prefixes[slot] = prefix


def _add_operand(
    prepared: Prepared, written: WrittenOperand, position: int, context: EncodingContext
) -> None:
    if isinstance(written, RegisterOperand):
        prepared.operands.append(_register(prepared, written, position))
    elif isinstance(written, MemoryOperand):
        prepared.operands.append(_memory(prepared, written, position, context))
    else:
        prepared.operands.extend(_immediates(prepared, written, position, context))


def _register(prepared: Prepared, written: RegisterOperand, position: int) -> Operand:
    register = REGISTERS[written.name]
    bits = register.classes | (classes.TO if written.to else 0)
    if written.size:
        keyword = classes.SIZE_OF_BYTES[written.size]
        own = register.classes & classes.SIZE_MASK
        if not own:
            bits |= keyword
        elif own != keyword:
            prepared.warnings.append("invalid register size specification ignored [-w+regsize]")
    if written.set_size:
        if written.set_size & (written.set_size - 1) or written.set_size >= 32:
            raise EncodeError("register-set", "invalid register set size", position)
        bits |= (written.set_size >> 1) << classes.REGISTER_SET_SHIFT
    opmask = REGISTERS[written.opmask].number if written.opmask else 0
    return Operand(bits, position, register, base=register, scale=0, opmask=opmask, zeroing=written.zeroing)


def immediate_classes(value: Value, level: int, strict: bool) -> int:
    """What an immediate of this value may be taken for, beside being an immediate (parser.c).

    In a first pass an unknown value is taken for whatever makes the shortest code.
    """
    if value.unknown:
        if level >= 0 and not strict:
            return (
                classes.UNITY
                | classes.SIGNED_BYTE_WORD
                | classes.SIGNED_BYTE_DWORD
                | classes.UNSIGNED_DWORD
                | classes.SIGNED_DWORD
            )
        return classes.IMMEDIATE
    if value.terms or value.wrt is not None:
        return classes.IMMEDIATE
    number = value.constant
    bits = classes.UNITY if number == 1 else classes.IMMEDIATE
    if level >= 0 and not strict:
        if (number + 128) & 0xFFFFFFFF <= 255:
            bits |= classes.SIGNED_BYTE_DWORD
        if (number + 128) & 0xFFFF <= 255:
            bits |= classes.SIGNED_BYTE_WORD
        if 0 <= number <= 0xFFFFFFFF:
            bits |= classes.UNSIGNED_DWORD
        if -0x80000000 <= number <= 0x7FFFFFFF:
            bits |= classes.SIGNED_DWORD
    return bits


def _immediates(
    prepared: Prepared, written: ImmediateOperand, position: int, context: EncodingContext
) -> list[Operand]:
    """One operand, or two for ``segment:offset``."""
    far = written.distance == "far"
    if far and prepared.mnemonic not in ("jmp", "call"):
        raise EncodeError("far-not-here", "invalid use of FAR operand specifier", position)
    if written.segment is not None and prepared.mnemonic not in ("jmp", "call"):
        raise EncodeError("segment-not-here", "invalid segment override", position)
    distance = classes.DISTANCES[written.distance] if written.distance else 0
    modifiers = (classes.STRICT if written.strict else 0) | (classes.TO if written.to else 0)
    size = classes.SIZE_OF_BYTES[written.size]
    if written.segment is None:
        return [_immediate(prepared, written, written.value, position, context, distance | modifiers | size)]
    outer = distance | modifiers | classes.COLON | classes.SIZE_OF_BYTES[written.segment_size]
    return [
        _immediate(prepared, written, written.segment, position, context, outer),
        _immediate(prepared, written, written.value, position, context, size),
    ]


def _immediate(
    prepared: Prepared,
    written: ImmediateOperand,
    value: Value,
    position: int,
    context: EncodingContext,
    bits: int,
) -> Operand:
    operand = Operand(bits | immediate_classes(value, prepared.level, written.strict), position)
    operand.value = value
    operand.unknown = value.unknown
    if not value.unknown:
        _take_terms(operand, value, context, "invalid operand type")
    return operand


def _take_terms(operand: Operand, value: Value, context: EncodingContext, complaint: str) -> None:
    """Note the constant, and the section or symbol it is relative to; registers were taken out before."""
    operand.offset = value.constant
    for base, coefficient in value.terms:
        if isinstance(base, str):
            if not operand.is_memory:
                raise EncodeError("bad-expression", complaint, operand.source)
        elif coefficient == 1 and not operand.relocated:
            operand.relocated = True
        elif coefficient == -1 and base is context.section and not operand.self_relative:
            operand.self_relative = True
        else:
            raise EncodeError("bad-expression", complaint, operand.source)


def _memory(prepared: Prepared, written: MemoryOperand, position: int, context: EncodingContext) -> Operand:
    bits = classes.SIZE_OF_BYTES[written.size] | (classes.STRICT if written.strict else 0)
    bits |= classes.TO if written.to else 0
    bits |= classes.DISTANCES[written.distance] if written.distance else 0
    operand = Operand(bits | classes.MEMORY_ANY, position, unknown=written.value.unknown)
    operand.value = without_registers(written.value)
    _take_registers(operand, written.value)
    impossible = "invalid effective address: impossible segment base multiplier"
    _take_terms(operand, written.value, context, impossible)
    _take_hints(operand, written)
    if written.split_index is not None:
        _take_split_index(operand, written.split_index)
    operand.displacement_bits = written.displacement_size * 8
    operand.relative = written.relative
    operand.no_split = written.no_split
    operand.broadcast = written.broadcast
    operand.opmask = REGISTERS[written.opmask].number if written.opmask else 0
    operand.zeroing = written.zeroing
    if written.segment_override:
        _override_segment(prepared, operand, written.segment_override)
    if written.address_size:
        _override_address_size(prepared, written.address_size, position)
    _classify_memory(operand, context)
    return operand


def without_registers(value: Value) -> Value:
    """The part of an address that its displacement field holds."""
    if not value.terms:
        return value
    terms = tuple(term for term in value.terms if not isinstance(term[0], str))
    if not terms and value.wrt is None:
        return Value(value.constant)
    return Value(value.constant, terms, value.wrt, value.forward, value.unknown)


def _take_registers(operand: Operand, value: Value) -> None:
    """Choose base and index as nasm's parse_mref: registers in the order of their names, a plain one is the base."""
    for name, coefficient in sorted(
        (term for term in value.terms if isinstance(term[0], str)), key=_term_name
    ):
        register = REGISTERS[str(name)]
        general = register.classes & classes.GENERAL == classes.GENERAL
        if general and coefficient == 1 and operand.base is None:
            operand.base = register
        elif operand.index is None:
            operand.index, operand.scale = register, coefficient
        else:
            if operand.base is None:
                why = "two index registers"
            elif not general:
                why = "impossible register"
            else:
                why = "too many registers"
            raise EncodeError("bad-address", f"invalid effective address: {why}", operand.source)


def _term_name(term: tuple[object, int]) -> str:
    return str(term[0])


def _take_hints(operand: Operand, written: MemoryOperand) -> None:
    if written.summed:
        operand.hint_kind = "summed"
    elif written.hint_not_base:
        operand.hint, operand.hint_kind = REGISTERS[written.hint_not_base], "not base"
    elif written.hint_base:
        operand.hint, operand.hint_kind = REGISTERS[written.hint_base], "base"


def _take_split_index(operand: Operand, index: Value) -> None:
    """``[base+offset, index*scale]``, the form the MPX and AMX instructions take."""
    if (
        operand.index is not None
        or len(index.terms) != 1
        or index.constant
        or not isinstance(index.terms[0][0], str)
    ):
        raise EncodeError("bad-address", "invalid mib expression", operand.source)
    name, operand.scale = index.terms[0]
    operand.index = REGISTERS[str(name)]
    if operand.base is not None:
        operand.hint, operand.hint_kind = operand.base, "base"
    else:
        operand.hint, operand.hint_kind = operand.index, "not base"


def _override_segment(prepared: Prepared, operand: Operand, segment: str) -> None:
    if prepared.prefixes[PrefixSlot.SEGMENT]:
        message = "instruction has conflicting segment overrides"
        raise EncodeError("conflicting-prefixes", message, operand.source)
    prepared.prefixes[PrefixSlot.SEGMENT] = segment
    operand.segment_fs_gs = segment in ("fs", "gs")


def _override_address_size(prepared: Prepared, bits: int, position: int) -> None:
    present = prepared.prefixes[PrefixSlot.ADDRESS_SIZE]
    if present and present != f"a{bits}":
        raise EncodeError("conflicting-prefixes", "conflicting address size specifications", position)
    prepared.prefixes[PrefixSlot.ADDRESS_SIZE] = f"a{bits}"


def _classify_memory(operand: Operand, context: EncodingContext) -> None:
    if operand.base is None and (operand.index is None or operand.scale == 0):
        by_default = context.default_relative and not operand.segment_fs_gs
        relative = operand.relative is True or (operand.relative is None and by_default)
        operand.classes |= classes.MEM_RIP if context.bits == 64 and relative else classes.MEM_OFFSET
    if operand.index is not None:
        for vector, memory in (
            (classes.XMM, classes.MEM_XMM),
            (classes.YMM, classes.MEM_YMM),
            (classes.ZMM, classes.MEM_ZMM),
        ):
            if operand.index.classes & vector == vector:
                operand.classes |= memory


def _add_decorators(prepared: Prepared, instruction: Instruction) -> None:
    """{sae} and {r?-sae} stand after an operand, by default the last one that is a register or memory."""
    if not instruction.decorators:
        return
    position = instruction.decorated_operand
    if position is None:
        candidates = [
            n for n, operand in enumerate(prepared.operands) if not operand.classes & classes.IMMEDIATE
        ]
        position = candidates[-1] if candidates else len(prepared.operands) - 1
    if not 0 <= position < len(prepared.operands):
        raise EncodeError("bad-decorator", "invalid decorator")
    for decorator in instruction.decorators:
        name = decorator.strip("{}")
        if name == "sae":
            prepared.operands[position].sae = True
        else:
            prepared.operands[position].rounding = True
            prepared.rounding_mode = _ROUNDINGS[name]


def _choose_address_size(prepared: Prepared) -> None:
    """nasm's add_asp(): the address size every memory operand agrees on, with an a16/a32 prefix where needed."""
    bits = prepared.bits
    valid = 64 | 32 if bits == 64 else 32 | 16
    valid &= {"a16": 16, "a32": 32, "a64": 64, "asp": 16 if bits == 32 else 32}.get(
        prepared.prefixes[PrefixSlot.ADDRESS_SIZE], valid
    )
    for operand in prepared.operands:
        if operand.is_memory:
            valid &= _address_sizes(operand, bits)
    other = 16 if bits == 32 else 32
    if valid & bits:
        prepared.address_bits = bits
    elif valid & other:
        prepared.prefixes[PrefixSlot.ADDRESS_SIZE] = f"a{other}"
        prepared.address_bits = other
    else:
        prepared.address_bits = bits  # as nasm recovers, to look for further errors
        prepared.impossible_address = True
    default = 16 if prepared.address_bits == 16 else 32
    for operand in prepared.operands:
        size = operand.displacement_bits or default
        if operand.classes & classes.MEM_OFFSET == classes.MEM_OFFSET and size != prepared.address_bits:
            operand.classes &= ~(classes.MEM_OFFSET & ~classes.MEMORY)


def _address_sizes(operand: Operand, bits: int) -> int:
    registers = [operand.base] if operand.base else []
    if operand.index is not None and operand.scale:
        registers.append(operand.index)
    valid = 64 | 32 | 16
    if not registers:
        size = operand.displacement_bits
        return size if (size > 8 if bits != 64 else size == 16) else valid
    for register in registers:
        if register.classes & classes.GENERAL == classes.GENERAL and register.size > 1:
            valid &= register.size * 8
    return valid
