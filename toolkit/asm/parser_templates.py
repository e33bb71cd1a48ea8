"""Operands that wait for a pass: expressions compiled once, from which ``build`` makes a finished operand.

What an operand may be made of follows nasm's parser.c (``parse_mref``, ``is_reloc``).
"""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.asm.diagnostics import Span
from toolkit.asm.expr import Environment, Hints, Program, Result, StatementError, add, evaluate
from toolkit.asm.statement import ImmediateOperand, MemoryOperand, Operand, RegisterOperand, Value


@dataclass(frozen=True, slots=True)
class Immediate:
    """A template of what is no memory reference: an immediate, or a register written in an odd way."""

    program: Program
    size: int
    strict: bool
    distance: str | None
    segment: Program | None
    to: bool
    span: Span
    opmask: str | None = None
    zeroing: bool = False
    segment_size: int = 0

    def build(self, environment: Environment) -> Operand:
        value = as_value(evaluate(self.program, environment))
        register, count = _lone_register(value, self.span)
        if register:
            return RegisterOperand(register, self.opmask, self.zeroing, self.size, self.span, count, self.to)
        number = relocatable(value, environment, self.span)
        strict = self.strict or number is not value  # not a simple number to nasm: never made short
        value = number
        segment = as_value(evaluate(self.segment, environment)) if self.segment is not None else None
        return ImmediateOperand(
            value, self.size, strict, self.distance, segment, self.to, self.span, self.segment_size
        )


@dataclass(frozen=True, slots=True)
class Memory:
    """A template of a memory reference: the finished operand but for its values."""

    programs: tuple[Program, ...]  # summed: disp[base] is two
    index: Program | None
    finished: MemoryOperand

    def build(self, environment: Environment) -> Operand:
        hints = Hints()
        value: Result = evaluate(self.programs[0], environment, hints)
        for program in self.programs[1:]:
            value = add(value, evaluate(program, environment, hints), hints)
        f = self.finished
        index = as_value(evaluate(self.index, environment)) if self.index is not None else None
        base = hints.register if hints.kind == Hints.MAKE_BASE else None
        other = hints.register if hints.kind == Hints.NOT_BASE else None
        return MemoryOperand(
            as_value(value), f.size, f.segment_override, f.relative, f.displacement_size, f.no_split, f.address_size,
            base, other, index, f.distance, f.strict, f.broadcast, f.opmask, f.zeroing, f.to, f.span,
            hints.kind == Hints.SUMMED,
        )  # fmt: skip


def as_value(result: Result) -> Value:
    """A plain number as a Value."""
    return Value(result) if isinstance(result, int) else result


def _lone_register(value: Value, span: Span) -> tuple[str, int]:
    """(register that ``value`` is, size of its register set), or ("", 0); StatementError for a sum with registers in it."""
    for base, coefficient in value.terms:
        if isinstance(base, str):
            if (
                len(value.terms) == 1
                and coefficient == 1
                and not value.unknown
                and value.constant in (0, 1, 3, 7, 15)
            ):
                return base, value.constant + 1 if value.constant else 0
            raise StatementError("invalid operand type", span.column - 1, span.column - 1 + span.length)
    return "", 0


def relocatable(value: Value, environment: Environment, span: Span) -> Value:
    """``value`` if it is a number, an address, or an address minus the current section's start.

    A lone base with another factor counts as nothing, as in nasm (``mov eax, $*2``). Raises StatementError for the rest.
    """
    terms = value.terms
    if not terms or (len(terms) == 1 and terms[0][1] == 1):
        return value
    if len(terms) == 1 and terms[0][1] != -1:
        return Value(value.constant, (), value.wrt, value.forward, value.unknown)
    here = environment.base()
    section = here.terms[0][0] if isinstance(here, Value) and here.terms else None
    positive = [base for base, coefficient in terms if coefficient == 1]
    negative = [base for base, coefficient in terms if coefficient == -1]
    if len(positive) + len(negative) != len(terms) or len(positive) > 1 or negative != [section]:
        raise StatementError("invalid operand type", span.column - 1, span.column - 1 + span.length)
    return value


def is_dynamic(program: Program) -> bool:
    """Whether the value can differ from pass to pass."""
    return any(step[0] in ("symbol", "here", "base", "wrt special") for step in program)


class _Constant:
    """The environment of operands without symbols: nothing in them asks it."""

    def lookup(self, name: str, start: int, end: int) -> Result:
        raise StatementError(f"symbol `{name}' not defined", start, end)

    def here(self) -> Result:
        raise NotImplementedError

    base = here

    def special(self, name: str, start: int, end: int) -> None:
        raise NotImplementedError


CONSTANT = _Constant()
