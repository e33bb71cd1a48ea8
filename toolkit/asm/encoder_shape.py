"""An instruction's shape: everything its template depends on, as a dictionary key, and the values it leaves out."""

from __future__ import annotations

from toolkit.asm.encoder_operands import immediate_classes, optimisation_level, without_registers
from toolkit.asm.statement import (
    EncodingContext,
    ImmediateOperand,
    Instruction,
    MemoryOperand,
    RegisterOperand,
    Value,
)

Shape = tuple[object, ...]
_NO_VALUE = Value()


def shape_of(instruction: Instruction, context: EncodingContext) -> tuple[Shape, list[Value]]:
    """The key of the instruction's template, and one value for each operand as ``prepare`` counts them."""
    # The form of an EVEX displacement depends on its exact value, as does a 16-bit one's.
    exact = context.bits != 64 or instruction.mnemonic[:1] == "v"
    key: list[object] = [
        instruction.mnemonic,
        context.bits,
        instruction.prefixes,
        context.default_relative,
        context.default_bound_relative,
        context.cpu,
        context.optimise,
    ]
    values: list[Value] = []
    for operand in instruction.operands:
        if isinstance(operand, RegisterOperand):
            key.append(_register(operand))
            values.append(_NO_VALUE)
        elif isinstance(operand, ImmediateOperand):
            if operand.segment is not None:
                key.append((_value(operand.segment, operand.strict, context), operand.segment_size))
                values.append(operand.segment)
            key.append(_immediate(operand, context))
            values.append(operand.value)
        else:
            key.append(_memory(operand, exact, context))
            values.append(without_registers(operand.value))
    if instruction.decorators:
        key.append((instruction.decorators, instruction.decorated_operand))
    return tuple(key), values


def _register(operand: RegisterOperand) -> object:
    if operand.opmask or operand.size or operand.zeroing or operand.set_size or operand.to:
        return (
            operand.name,
            operand.opmask,
            operand.zeroing,
            operand.size,
            operand.set_size,
            operand.to,
        )
    return operand.name


def _value(value: Value, strict: bool, context: EncodingContext) -> object:
    classes = immediate_classes(value, optimisation_level(context.optimise), strict)
    if not value.terms and value.wrt is None:
        return classes
    return classes, value.unknown, value.wrt is None, _kinds(value, context)


def _kinds(value: Value, context: EncodingContext) -> object:
    """What the checks on sections and symbols see."""
    section = context.section
    return tuple([(coefficient, base is section) for base, coefficient in value.terms])


def _immediate(operand: ImmediateOperand, context: EncodingContext) -> object:
    value = _value(operand.value, operand.strict, context)
    return value, operand.size, operand.strict, operand.distance, operand.to


def _memory(operand: MemoryOperand, exact: bool, context: EncodingContext) -> object:
    value = operand.value
    registers = tuple([term for term in value.terms if isinstance(term[0], str)])
    kinds = _kinds(value, context) if len(registers) != len(value.terms) else None
    return (
        registers,
        kinds,
        value.constant if exact and registers else _displacement_class(value.constant),
        value.unknown,
        operand.size,
        operand.segment_override,
        operand.relative,
        operand.displacement_size,
        operand.no_split,
        operand.address_size,
        operand.hint_base,
        operand.hint_not_base,
        operand.summed,
        operand.split_index.terms if operand.split_index is not None else None,
        operand.split_index.constant if operand.split_index is not None else 0,
        operand.distance,
        operand.strict,
        operand.broadcast,
        operand.opmask,
        operand.zeroing,
        operand.to,
    )


def _displacement_class(constant: int) -> int:
    """0, 1 or 2: no displacement, one byte, more; of the low 32 bits, as nasm looks at no others."""
    low = (constant + 0x80000000 & 0xFFFFFFFF) - 0x80000000
    if low == 0:
        return 0
    return 1 if -128 <= low <= 127 else 2
