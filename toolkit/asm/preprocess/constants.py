"""Numbers in the preprocessor's expressions that need no evaluator, and strings as it takes them for numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from toolkit.asm.preprocess.macros import MANY, number_tokens
from toolkit.asm.preprocess.tokens import IDENTIFIER, STRING, Token, unquote

if TYPE_CHECKING:
    from toolkit.asm.preprocess.engine import Engine

# what nearly every %assign and %rep of a loop looks like
_SIMPLE = re.compile(r" *([0-9]{1,15}) *(?:([-+*]|==|<|>) *([0-9]{1,3}) *)?")
_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": int.__add__,
    "-": int.__sub__,
    "*": int.__mul__,
    "==": lambda left, right: int(left == right),
    "<": lambda left, right: int(left < right),
    ">": lambda left, right: int(left > right),
}


def simple_value(text: str) -> int | None:
    """The value of a number, or of one operation with a small one; None where it takes more to evaluate it."""
    simple = _SIMPLE.fullmatch(text)
    if simple is None:
        return None
    left, operator, right = simple.groups()
    return int(left) if operator is None else _ARITHMETIC[operator](int(left), int(right))


def short_constants(tokens: Sequence[Token], warn: Callable[[str, str], None]) -> Sequence[Token]:
    """Character constants as nasm 2.16.01's preprocessor reads them: four characters at most, with a warning."""
    if not any(kind == STRING and len(text) > 6 for kind, text in tokens):
        return tokens
    if any(kind == IDENTIFIER and text.startswith("__") for kind, text in tokens):
        return tokens  # __utf16__('…') takes the whole string
    return [_short_constant(token, warn) if token[0] == STRING else token for token in tokens]


def _short_constant(token: Token, warn: Callable[[str, str], None]) -> Token:
    value = unquote(token[1])
    if len(value) <= 4:
        return token
    warn("other", "character constant too long")
    return number_tokens(int.from_bytes(value[:4].encode("latin-1"), "little"))[0]


def parameter_count(engine: Engine, text: str) -> int:
    """A number of macro parameters as written."""
    from toolkit.asm.scan import ScanError, read_number

    try:
        value = int(text) if text.isdecimal() and len(text) < 10 else read_number(text)[0]
    except ScanError:
        engine.error(f"unable to parse parameter count `{text}'")
        return 0
    if not 0 <= value < MANY:
        engine.error(f"parameter count `{text}' is out of bounds [0; {MANY - 1}]")
        return 0
    return value
