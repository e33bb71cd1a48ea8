"""What of a program can change from pass to pass, once the preprocessor gives all of them the same lines.

That is the sizes of a few statements: jumps whose target comes into reach or leaves it, and what counts by labels. A
``RecordedPass`` leaves those as the items of a ``Model``, and what lies between them as distances; ``layout_settle`` runs
passes over the model.

Places are kept by *stretch*: what lies between one changing statement and the next in its section. A stretch moves as a whole, at the
moment a pass comes to it: a label further down still has its last place when a statement above looks at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from toolkit.asm.data import Item, Repeat
from toolkit.asm.encode import EncodeError, reach_sizes
from toolkit.asm.expr import Program
from toolkit.asm.layout import Pass
from toolkit.asm.layout_symbols import Label
from toolkit.asm.objfile import Section
from toolkit.asm.parser_statement import DATA, DIRECTIVE, EQU, INCBIN, INSTRUCTION, RESERVE, Statement
from toolkit.asm.parser_templates import Immediate, Memory, is_dynamic
from toolkit.asm.statement import (
    EncodingContext,
    ImmediateOperand,
    Instruction,
    MemoryOperand,
    RegisterOperand,
    Value,
)

_LINEAR = frozenset(("number", "symbol", "here", "base", "register", "wrt special"))
_NUMBER = re.compile(r"-?[0-9]\w*")


class Evaluated:
    """A statement that is evaluated anew when what its size depends on has changed: ``state`` says of what it took ``size`` bytes.

    Labels of a section come into a size as differences only, unless the statement names the section's start or is an EQU.
    """

    __slots__ = (
        "anchor",
        "base",
        "context",
        "depends",
        "line",
        "placed",
        "scope",
        "section",
        "size",
        "state",
        "statement",
    )

    def __init__(self, run: Pass, statement: Statement, context: EncodingContext, needs_place: bool) -> None:
        self.line = run.line
        self.statement = statement
        self.section = run.place.section
        self.base = run.place.absolute_base
        self.scope = run.labels.scope
        self.context = context
        steps = _steps(statement)
        named = {run.labels.find(argument) for operation, argument in steps if operation == "symbol"}
        self.depends = [label for label in named if label is not None]
        self.placed: list[tuple[Label, int, int]] = []  # plain ones of them: stretch, distance in it
        bases = {label.base for label in self.depends}
        relative = len(bases) == 1 and None not in bases and ("base", "") not in steps
        needs_place = needs_place or any(operation == "here" for operation, _ in steps)
        self.anchor = self.depends[0] if relative and not needs_place and statement.kind != EQU else None
        self.size = 0
        self.state: tuple[int, ...] = ()

    def seen(self, place: int) -> tuple[int, ...]:
        """The state at ``place``."""
        if self.anchor is None:
            return (place, *[label.offset for label in self.depends])
        start = self.anchor.offset
        return tuple([label.offset - start for label in self.depends])


class Jump(NamedTuple):
    """A jump that is ``short`` bytes long where its target is in reach of one, else ``near``; with no target: a mark of size 0.

    It is ``distance`` behind the start of its stretch; the target is ``reach`` further from the start of its own.
    """

    stretch: int
    distance: int
    behind: int
    target: int
    reach: int
    short: int
    near: int
    evaluated: Evaluated | None = None


Placed = tuple[Label, int]  # a label and how far it is from the start of its stretch


class Model:
    """``places``: where stretches begin; ``labels``: the plain labels in each."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.labels: list[list[Placed]] = []
        self.items: list[Jump] = []
        self.evaluated = 0
        self.sound = True

    def stretch(self, place: int) -> int:
        """The number of a new stretch, which begins at ``place``."""
        self.places.append(place)
        self.labels.append([])
        return len(self.places) - 1


class RecordedPass(Pass):
    """A pass that leaves a ``Model``; ``finish_model`` completes it, and returns None where a model can't follow the program."""

    model: Model

    def start_model(self) -> None:
        self.model = Model()
        self._stretches: dict[Section, int] = {}  # the last of each section
        self._labels: dict[Label, tuple[int, int]] = {}  # plain ones: stretch, distance in it
        self._targets: dict[int, Label] = {}  # by index of the jump
        self._context: EncodingContext | None = None
        self._enter()

    def context_changed(self) -> None:
        self._context = None
        super().context_changed()

    def finish_model(self) -> Model | None:
        model = self.model
        if not model.sound or self.labels.promoted:
            return None
        for index, label in self._targets.items():
            jump = model.items[index]
            if label not in self._labels:  # of EQU
                return None
            stretch, distance = self._labels[label]
            reach = distance - jump.distance - jump.short
            model.items[index] = jump._replace(target=stretch, reach=reach)
        for item in model.items:
            if item.evaluated is not None:
                self._watch(item.evaluated)
        return model

    def _watch(self, evaluated: Evaluated) -> None:
        for label in evaluated.depends:
            if label in self._labels:
                evaluated.placed.append((label, *self._labels[label]))

    def _enter(self) -> None:
        """A stretch of its own for what follows a change of place."""
        section, offset, model = self.place.section, self.place.offset, self.model
        self._stretch = model.stretch(offset)
        if section is not None:
            before = self._stretches.get(section)
            if before is not None:
                distance = offset - model.places[before]
                model.items.append(Jump(before, distance, self._stretch, before, 0, 0, 0))
            self._stretches[section] = self._stretch

    def _lay_out(self, statement: Statement) -> None:
        place = self.place
        before = place.section, place.base, place.offset
        super()._lay_out(statement)
        if statement.kind == DIRECTIVE:
            if before != (place.section, place.base, place.offset):
                self._enter()
            if statement.mnemonic == "absolute" and not _NUMBER.fullmatch(statement.value):
                self.model.sound = False
            return
        offset = before[2]
        if statement.label is not None and statement.kind != EQU:
            label = self.labels.find(statement.label)
            if label is not None:
                self._labels[label] = self._stretch, offset - self.model.places[self._stretch]
                self.model.labels[self._stretch].append((label, self._labels[label][1]))
        if not self._fixed(statement):
            self._record(statement, offset)

    def _record(self, statement: Statement, offset: int) -> None:
        model, before = self.model, self._stretch
        distance, size = offset - model.places[before], self.place.offset - offset
        behind = self._stretch = model.stretch(self.place.offset)
        if self.place.section is not None:
            self._stretches[self.place.section] = behind
        sizes = self._jump_sizes(statement)
        if sizes is not None and size in sizes:
            short, near, label = sizes
            self._targets[len(model.items)] = label
            model.items.append(Jump(before, distance, behind, before, 0, short, near))
            return
        if self._context is None:
            self._context = replace(self.context)
        evaluated = Evaluated(self, statement, self._context, self._needs_place(statement))
        evaluated.size = size
        model.evaluated += 1
        model.items.append(Jump(before, distance, behind, before, 0, 0, 0, evaluated))

    def _needs_place(self, statement: Statement) -> bool:
        """Whether an operand may be an address, whose distance from here matters."""
        return statement.kind == INSTRUCTION and any(
            not isinstance(operand, RegisterOperand) and _has_base(operand.value)
            for operand in self._built(statement).operands
        )

    def _jump_sizes(self, statement: Statement) -> tuple[int, int, Label] | None:
        """(short size, near size, target) of a plain jump to a label of this section."""
        if statement.kind != INSTRUCTION or statement.times is not None or len(statement.operands) != 1:
            return None
        operand = statement.operands[0]
        if not isinstance(operand, Immediate) or len(operand.program) != 1 or statement.prefixes:
            return None
        operation, name, _, _ = operand.program[0]
        label = self.labels.find(name) if operation == "symbol" and isinstance(name, str) else None
        section = self.place.section
        if label is None or section is None or label.base is not section:
            return None
        sizes = self._reach_sizes(self._built(statement))
        return (*sizes, label) if sizes is not None else None

    def _reach_sizes(self, instruction: Instruction) -> tuple[int, int] | None:
        self.context.section, self.context.offset = self.place.section, self.place.offset
        try:
            return reach_sizes(instruction, self.context)
        except EncodeError:
            self.model.sound = False
            return None

    def _fixed(self, statement: Statement) -> bool:
        """Whether the statement takes the same number of bytes in every pass."""
        kind = statement.kind
        if statement.times is not None and is_dynamic(statement.times):
            self.model.sound &= kind not in (EQU, INCBIN)
            return False
        if kind == INSTRUCTION:
            return statement.constant or self._keeps_size(statement)
        if kind == DATA:
            return not any(is_dynamic(count) for count in _counts(statement.items))
        if kind in (EQU, RESERVE, INCBIN):
            dynamic = any(is_dynamic(program) for program in statement.expressions)
            if dynamic and (kind == INCBIN or statement.times is not None or statement.prefixes):
                self.model.sound = False
            return not dynamic
        return True

    def _keeps_size(self, statement: Statement) -> bool:
        """An address keeps its size wherever it is; a number might not, nor an EVEX displacement."""
        if self.context.bits != 64 or statement.mnemonic[:1] == "v":
            return False
        if not all(_is_linear(program) for program in _operand_programs(statement)):
            return False
        instruction = self._built(statement)
        return all(
            _is_address(written, built)
            for written, built in zip(statement.operands, instruction.operands, strict=True)
        ) and not self._may_be_short(instruction)

    def _may_be_short(self, instruction: Instruction) -> bool:
        section = self.place.section
        first = instruction.operands[0] if instruction.operands else None
        if section is None or not isinstance(first, ImmediateOperand) or first.value.terms != ((section, 1),):
            return False
        return self._reach_sizes(instruction) is not None


def _is_address(written: object, built: object) -> bool:
    """Whether an operand depends on no label, or is an address that one is part of."""
    if not isinstance(written, Immediate | Memory):
        return True
    if not any(is_dynamic(program) for program in _programs(written)):
        return True
    if isinstance(built, MemoryOperand):
        return _has_base(built.value) and built.split_index is None
    return isinstance(built, ImmediateOperand) and _has_base(built.value) and built.segment is None


def _has_base(value: Value) -> bool:
    return any(not isinstance(base, str) for base, _ in value.terms)


def _programs(operand: Immediate | Memory) -> Sequence[Program]:
    if isinstance(operand, Immediate):
        return (operand.program,) if operand.segment is None else (operand.program, operand.segment)
    return operand.programs if operand.index is None else (*operand.programs, operand.index)


def _operand_programs(statement: Statement) -> Iterator[Program]:
    for operand in statement.operands:
        if isinstance(operand, Immediate | Memory):
            yield from _programs(operand)


def _is_linear(program: Program) -> bool:
    return all(
        operation in _LINEAR or (operation == "binary" and argument in ("+", "-"))
        for operation, argument, _, _ in program
    )


def _counts(items: Sequence[Item]) -> Iterator[Program]:
    """The counts of DUP."""
    for item in items:
        if isinstance(item, Repeat):
            yield item.count
            yield from _counts(item.items)


def _steps(statement: Statement) -> set[tuple[str, str]]:
    """What the expressions ask for that the statement's size or value depends on: operations, and the names of symbols."""
    times = (statement.times,) if statement.times is not None else ()
    programs = chain(times, statement.expressions, _operand_programs(statement), _counts(statement.items))
    return {
        (operation, argument if operation == "symbol" and isinstance(argument, str) else "")
        for program in programs
        for operation, argument, _, _ in program
    }
