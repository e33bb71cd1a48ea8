"""The bytes and fixups of a data statement in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.asm.data import Bytes, Item, Number, Repeat, Reserve, overflow_message, overflows
from toolkit.asm.expr import StatementError, evaluate
from toolkit.asm.layout_place import MAX_CONTENTS, PlaceError
from toolkit.asm.parser_statement import DATA, RESERVE, Statement
from toolkit.asm.statement import Fixup, Value

if TYPE_CHECKING:
    from toolkit.asm.layout import Pass

MAX_FIXUPS = 2_000_000


@dataclass(slots=True)
class Rendered:
    """``reserved`` of the bytes come from ``?``. ``origin`` is the offset in the section the fixups were made for."""

    origin: int
    data: bytearray = field(default_factory=bytearray)
    fixups: list[Fixup] = field(default_factory=list)
    reserved: int = 0

    def fixups_at(self, origin: int) -> list[Fixup]:
        """The fixups for the same statement placed elsewhere: what was counted from the field moves with it."""
        shift = origin - self.origin
        return [
            Fixup(f.offset, f.size, f.value, True, f.end - shift, f.signed) if f.relative else f
            for f in self.fixups
        ]


def lay_out_data(run: Pass, statement: Statement) -> None:
    """Place the data of a statement, as often as TIMES says. Raises StatementError and PlaceError."""
    times = run.times(statement)
    start = run.place.offset
    rendered = render(statement.items, run, start)
    size = len(rendered.data)
    if not times or not size:
        return
    place = run.place
    place.check_room(size * times, f"TIMES {times}" if times > 1 else "this data")
    if rendered.reserved == size:
        if place.reserve(size * times):
            run.warn_zeroing()
    elif rendered.fixups:
        _repeat_rendered(run, statement, times, size)
    else:
        if rendered.reserved and place.section is not None and place.has_contents:
            run.warn_zeroing()
        run.write(bytes(rendered.data) * times, None)
    run.note(start, size * times, times, RESERVE if rendered.reserved == size else DATA)


def _repeat_rendered(run: Pass, statement: Statement, times: int, size: int) -> None:
    if times > 1:
        run.check_repetition(times, size)
    place, here = run.place, run.place.offset
    rendered = render(statement.items, run, here)
    for number in range(times):
        fixups = rendered.fixups_at(here + number * size) if number else rendered.fixups
        if place.write(bytes(rendered.data), run.narrowed(fixups)) and place.section is not None:
            run.warn(run.format.ignoring(place.section), "other")


def render(items: Sequence[Item], run: Pass, origin: int) -> Rendered:
    """Evaluate ``items``. Raises StatementError, and PlaceError before it would need too much memory."""
    result = Rendered(origin)
    if len(items) == 1 and isinstance(items[0], Bytes):
        result.data = bytearray(items[0].data)
        return result
    _render(items, run, result)
    return result


def _render(items: Sequence[Item], run: Pass, result: Rendered) -> None:
    data = result.data
    for item in items:
        if isinstance(item, Bytes):
            data += item.data
        elif isinstance(item, Number):
            _number(item, run, result)
        elif isinstance(item, Reserve):
            result.reserved += item.size
            data += bytes(item.size)
        else:
            _repeat(item, run, result)


def _number(item: Number, run: Pass, result: Rendered) -> None:
    value = evaluate(item.program, run)
    if item.width > 8:
        raise StatementError(f"integer supplied as {item.width * 8}-bit data", item.start, item.end)
    data = result.data
    if isinstance(value, int):
        if overflows(value, item.width):
            run.warn(overflow_message(item.width), "number-overflow", item.start, item.end)
        data += (value & (1 << item.width * 8) - 1).to_bytes(item.width, "little")
        return
    if not value.unknown or value.terms:
        result.fixups.append(_fixup(value, item, run, result))
    data += bytes(item.width)


def _fixup(value: Value, item: Number, run: Pass, result: Rendered) -> Fixup:
    """A relocatable number, or one relative to the current section (``foo - $``)."""
    section = run.place.section
    offset = len(result.data)
    base = None
    relative = False
    for term, coefficient in value.terms:
        if coefficient == -1 and term is section and not relative:
            relative = True
        elif coefficient == 1 and base is None and not isinstance(term, str):
            base = term
        else:
            raise StatementError("expression is not simple or relocatable", item.start, item.end)
    if not relative:
        return Fixup(offset, item.width, value)
    terms = ((base, 1),) if base is not None else ()
    remaining = Value(value.constant, terms, value.wrt, value.forward)
    return Fixup(offset, item.width, remaining, relative=True, end=-(result.origin + offset))


def _repeat(item: Repeat, run: Pass, result: Rendered) -> None:
    count = run.known(item.count, "non-constant argument supplied to DUP", item.start, item.end)
    if count < 0:
        raise StatementError("negative argument supplied to DUP", item.start, item.end)
    if not count:
        return
    start, before, reserved = len(result.data), len(result.fixups), result.reserved
    _render(item.items, run, result)
    size, fixups = len(result.data) - start, result.fixups[before:]
    if size * count + start > MAX_CONTENTS or len(fixups) * count > MAX_FIXUPS:
        raise PlaceError(f"{count} DUP makes more than {MAX_CONTENTS:,} bytes")
    result.reserved += (result.reserved - reserved) * (count - 1)
    result.data += bytes(result.data[start:]) * (count - 1)
    for number in range(1, count):
        if not fixups:
            break
        shift = number * size
        for f in fixups:
            end = f.end - shift if f.relative else f.end
            result.fixups.append(Fixup(f.offset + shift, f.size, f.value, f.relative, end, f.signed))
