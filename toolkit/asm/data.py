"""The operands of db, dw … dz: numbers, strings, floats, ``?``, ``dup`` and lists (nasm manual 3.2.1 to 3.2.5).

``parse_items`` turns tokens into items, with neighbouring constants joined into one run of bytes; layout evaluates what is
left in each pass.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from toolkit.asm import scan
from toolkit.asm.data_float import FORMATS, FloatError, FloatMode, encode_float
from toolkit.asm.expr import Program, StatementError
from toolkit.asm.expr_compile import compile_expression
from toolkit.asm.scan import Token

Warning = tuple[str, str, int, int]  # (nasm's wording, category, start, end in the line)
MAX_NESTING = 64


@dataclass(frozen=True, slots=True)
class Bytes:
    """Constant bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Number:
    """An expression in a field of ``width`` bytes."""

    program: Program
    width: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reserve:
    """``?``: so many bytes without contents."""

    size: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """``count dup (items)``."""

    count: Program
    items: tuple[Item, ...]
    start: int
    end: int


Item = Bytes | Number | Reserve | Repeat

_SIZE_NAMES = {
    1: "byte",
    2: "word",
    4: "dword",
    8: "qword",
    10: "tword",
    16: "oword",
    32: "yword",
    64: "zword",
}
_CODECS = {
    "utf16": "utf-16-le", "utf16le": "utf-16-le", "utf16be": "utf-16-be",
    "utf32": "utf-32-le", "utf32le": "utf-32-le", "utf32be": "utf-32-be",
}  # fmt: skip


def overflow_message(width: int) -> str:
    """nasm's warning for a number that doesn't fit in ``width`` bytes."""
    return f"{_SIZE_NAMES.get(width, '???')} data exceeds bounds"


def overflows(value: int, width: int) -> bool:
    """Whether ``value`` fits ``width`` bytes neither as a signed nor as an unsigned number (nasm's overflow_general)."""
    return width < 8 and not -(1 << width * 8) <= value < 1 << width * 8


def transform_string(function: str, text: str) -> str | None:
    """``__?utf16?__`` and kin: UTF-8 bytes to UTF-16 or -32, one character a byte; None when it is not UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8").encode(_CODECS[function]).decode("latin-1")
    except UnicodeError:
        return None


class ItemParser:
    """Parses the operand list of a data statement from ``tokens[position]`` on."""

    def __init__(
        self, tokens: Sequence[Token], position: int, warnings: list[Warning], mode: FloatMode | None = None
    ) -> None:
        self.tokens = tokens
        self.position = position
        self.warnings = warnings
        self.mode = mode or FloatMode()
        self.count = 0  # operands taken
        self.looked_ahead = (
            False  # the last value was an expression, and nasm has taken the token behind it already
        )

    def parse(self, width: int, nesting: int = 0) -> list[Item]:
        """The items up to the end or the closing parenthesis, on which ``position`` then stands."""
        if nesting > MAX_NESTING:
            raise self._error("expression too long")
        items: list[Item] = []
        while (kind := self.kind) not in (scan.END, ")"):
            self._element(items, width, nesting)
            kind = self.kind
            if kind in (scan.END, ")"):
                break
            if kind != ",":
                if not self.looked_ahead:
                    raise self._error("comma expected after operand")
                # nasm forgives one stray token before the end of the list
                if kind is scan.ERROR and "decorator" in (said := str(self.tokens[self.position].value)):
                    raise self._error(said)
                self.position += 1
                if self.kind in (scan.END, ")"):
                    break
                if self.kind != ",":
                    raise self._error("comma expected after operand")
            self.position += 1
        return _joined(items)

    @property
    def kind(self) -> str:
        return self.tokens[self.position].kind

    def _error(self, message: str) -> StatementError:
        token = self.tokens[self.position]
        return StatementError(message, token.start, max(token.end, token.start + 1))

    def _element(self, items: list[Item], width: int, nesting: int) -> None:
        """One element: any number of ``count dup``, sizes and ``%``, then a value or a list in parentheses."""
        counts: list[tuple[Program, int, int]] = []
        inner: list[Item] = []
        may_nest = False
        self.looked_ahead = False
        while True:
            token = self.tokens[self.position]
            if may_nest and token.kind == "(":
                self.position += 1
                inner = self.parse(width, nesting + 1)
                self.looked_ahead = False
                if self.kind != ")":
                    found = "(null)" if self.kind is scan.END else str(self.tokens[self.position].value)
                    raise self._error(f"expected `)' after subexpression, got `{found}'")
                self.position += 1
            elif token.kind == "%":
                may_nest = True
                self.position += 1
                continue
            elif token.kind is scan.SIZE:
                width, may_nest = int(token.value), True
                self.position += 1
                continue
            elif token.kind is scan.END:
                return
            else:
                count = self._value(inner, token, width)
                if count is not None:
                    counts.append(count)
                    may_nest = True
                    continue
            break
        self.count += 1
        for program, start, end in reversed(counts):
            inner = [Repeat(program, tuple(inner), start, end)]
        items += inner

    def _value(self, inner: list[Item], token: Token, width: int) -> tuple[Program, int, int] | None:
        """Parse one plain value into ``inner``; the program instead, when it turns out to be the count of a ``dup``."""
        kind = token.kind
        if kind is scan.NUMBER and width <= 8 and not token.warning and self._ends_after(1):
            self.position += 1
            self._constant(inner, int(token.value), width, token.start, token.end)
        elif kind is scan.QUESTION:
            self.position += 1
            inner.append(Reserve(width))
        elif kind is scan.STRING and self._ends_after(1):
            self.position += 1
            inner.append(Bytes(_padded(str(token.value), width)))
        elif kind is scan.STRING_FUNCTION:
            self._string_function(inner, token, width)
        elif kind is scan.FLOAT:
            self._float(inner, token, False, width)
        elif kind in ("+", "-") and self.tokens[self.position + 1].kind is scan.FLOAT:
            self.position += 1
            self._float(inner, self.tokens[self.position], kind == "-", width)
        elif kind in ("+", "-") and self.tokens[self.position + 1].kind is scan.STRING:
            # nasm forgets the quotes of a string behind a sign, and the rest of the line with them
            text = str(self.tokens[self.position + 1].value)
            self.tokens = (*self.tokens[: self.position + 1], *scan.scan(text))
            return self._expression(inner, token, width)
        else:
            return self._expression(inner, token, width)
        return None

    def _expression(self, inner: list[Item], token: Token, width: int) -> tuple[Program, int, int] | None:
        program, self.position, dynamic = compile_expression(
            self.tokens, self.position, self.warnings, self.mode.characters
        )
        end = self.tokens[self.position - 1].end
        following = self.tokens[self.position]
        if following.kind is scan.IDENTIFIER and str(following.value).lower() == "dup":
            self.position += 1
            return program, token.start, end
        self.looked_ahead = True
        if width > 8:
            inner.append(Number(program, width, token.start, end))
        elif not dynamic and len(program) == 1 and isinstance(value := program[0][1], int):
            self._constant(inner, value, width, token.start, end)
        else:
            inner.append(Number(program, width, token.start, end))
        return None

    def _constant(self, inner: list[Item], value: int, width: int, start: int, end: int) -> None:
        if overflows(value, width):
            self.warnings.append((overflow_message(width), "number-overflow", start, end))
        inner.append(Bytes((value & (1 << width * 8) - 1).to_bytes(width, "little")))

    def _ends_after(self, distance: int) -> bool:
        return self.tokens[self.position + distance].kind in (",", ")", scan.END)

    def _string_function(self, inner: list[Item], token: Token, width: int) -> None:
        name = str(token.value)
        self.position += 1
        parenthesis = self.kind == "("
        self.position += parenthesis
        found = self.tokens[self.position]
        if found.kind is not scan.STRING:
            raise self._error(f"__?{name}?__ must be followed by a string constant")
        text = transform_string(name, str(found.value))
        if text is None:
            raise self._error(f"invalid input string to __?{name}?__")
        self.position += 1
        if parenthesis:
            if self.kind != ")":
                raise self._error(f"unterminated __?{name}?__ function")
            self.position += 1
        inner.append(Bytes(_padded(text, width)))

    def _float(self, inner: list[Item], token: Token, negative: bool, width: int) -> None:
        layout = FORMATS.get(width)
        if layout is None:
            raise self._error(f"no {width * 8}-bit floating-point format supported")
        self.mode.warnings.clear()
        try:
            data = encode_float(str(token.value), negative, layout, self.mode)
        except FloatError as error:
            raise self._error(str(error)) from error
        self.warnings += [(text, category, token.start, token.end) for text, category in self.mode.warnings]
        self.position += 1
        inner.append(Bytes(data))


def _padded(text: str, width: int) -> bytes:
    data = text.encode("latin-1")
    return data + bytes(-len(data) % width)


def _joined(items: list[Item]) -> list[Item]:
    """``items`` with each run of constants made one."""
    result: list[Item] = []
    run: list[bytes] = []
    for item in items:
        if isinstance(item, Bytes):
            run.append(item.data)
            continue
        if run:
            result.append(Bytes(b"".join(run)))
            run = []
        result.append(item)
    if run:
        result.append(Bytes(b"".join(run)))
    return result


_LONG_DATA = re.compile(
    r"([\w.$@:\s]*?\b(d[bwdq])[ \t]+)((?:[0-9]{1,18}[ \t]*,[ \t]*)+[0-9]{1,18})\s*", re.IGNORECASE
)
_ARRAY_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}


def split_numbers(text: str) -> tuple[str, bytes] | None:
    """A long line of plain decimal numbers: (the same line with one 0, the bytes), or None for any other line."""
    match = _LONG_DATA.fullmatch(text)
    if match is None:
        return None
    width = scan.DATA_WIDTHS[match.group(2).lower()]
    numbers = [int(number) for number in match.group(3).split(",")]
    if max(numbers) >> 8 * width:
        return None
    return match.group(1) + "0", struct.pack(f"<{len(numbers)}{_ARRAY_CODES[width]}", *numbers)
