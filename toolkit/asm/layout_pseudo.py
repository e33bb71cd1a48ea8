"""RESx, EQU and INCBIN in one pass (nasm manual 3.2.2 to 3.2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.asm.diagnostics import Span
from toolkit.asm.expr import StatementError, evaluate
from toolkit.asm.parser_statement import INCBIN, RESERVE, Statement
from toolkit.asm.parser_templates import relocatable
from toolkit.asm.scan import RESERVE_WIDTHS
from toolkit.asm.source import SourceError

if TYPE_CHECKING:
    from toolkit.asm.layout import Pass


def reserve(run: Pass, statement: Statement) -> None:
    """Leave space. Raises StatementError for an amount that is no number yet, or negative."""
    times = run.times(statement)
    value = evaluate(statement.expressions[0], run)
    if not isinstance(value, int):
        if value.unknown:
            return
        raise StatementError(
            "attempt to reserve non-constant quantity of BSS space", statement.start, statement.end
        )
    if value < 0:
        raise StatementError(f"RESB value {value} is negative", statement.start, statement.end)
    size = value * RESERVE_WIDTHS[statement.mnemonic] * times
    run.place.check_room(size, f"{statement.mnemonic} {value}")
    start = run.place.offset
    if run.place.reserve(size):
        run.warn_zeroing()
    if size:
        run.note(start, size, 1, RESERVE)


def equ(run: Pass, statement: Statement) -> None:
    """Give a label the value of an expression. Raises StatementError."""
    value = evaluate(statement.expressions[0], run)
    if isinstance(value, int) or value.unknown:
        run.define(statement, None, value if isinstance(value, int) else 0, False)
        return
    span = Span("", 0, statement.start + 1, statement.end - statement.start)
    value = relocatable(value, run, span)
    base, coefficient = value.terms[0] if value.terms else (None, 1)
    if value.wrt is not None or len(value.terms) > 1 or coefficient != 1 or isinstance(base, str):
        raise StatementError("bad syntax for EQU", statement.start, statement.end)
    run.define(statement, base, value.constant, False)


def incbin(run: Pass, statement: Statement) -> None:
    """Append a file, or a part of it, from the folders a program may read."""
    times = run.times(statement)
    run.critical = True
    try:
        numbers = [evaluate(program, run) for program in statement.expressions]
    finally:
        run.critical = False
    plain = [number for number in numbers if isinstance(number, int) and number >= 0]
    if len(plain) != len(numbers):
        raise StatementError("`incbin': second parameter is non-numeric", statement.start, statement.end)
    skip = plain[0] if plain else 0
    count = plain[1] if len(plain) > 1 else None
    try:
        data = run.layout.tree.read_binary(statement.file)
    except SourceError as error:
        message = f"`incbin': unable to get length of file `{statement.file}'"
        run.report("error", message, run.line, statement.start, statement.end, error=error)
        return
    data = data[skip:] if count is None else data[skip : skip + count]
    run.place.check_room(len(data) * times, "incbin")
    start = run.place.offset
    if data and times:
        run.write(data * times, None)
        run.note(start, len(data) * times, times, INCBIN)
