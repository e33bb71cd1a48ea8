"""The preprocessor functions of nasm 2.16.01: %abs() to %tok() and the %is…() tests (manual section 4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.asm.preprocess.macros import Parameter, SingleLineMacro, SingleLineTable, number_tokens
from toolkit.asm.preprocess.tokens import (
    COMMA,
    NUMBER,
    PARAMETER,
    STRING,
    Token,
    Tokens,
    quote,
    text_of,
    tokenize,
    unquote,
)

if TYPE_CHECKING:
    from toolkit.asm.preprocess.engine import Engine

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ@_"
_MAX_DIGITS = 256
_EVALUATE = Parameter(evaluate=True)
_STRING = Parameter(stringify=True, keep_string=True)


def substring(text: str, start: int, count: int) -> str:
    """``count`` characters from ``start`` (from 1); a negative count leaves that many less one off the end."""
    first = max(start - 1, 0)
    if count < 0:
        count = len(text) + count + 1 - first
    if count < 0 or first >= len(text):
        return ""
    return text[first : first + count]


def _number(tokens: Tokens) -> int:
    """The value of an argument that was evaluated; 0 after an error."""
    return int(text_of(tokens)) if tokens else 0


def _contents(tokens: Tokens) -> str:
    return unquote(tokens[0][1]) if tokens else ""


def _string(text: str) -> Tokens:
    return ((STRING, quote(text)),)


def _abs(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    return ((NUMBER, str(abs(_number(arguments[0])))),)


def _count(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    return number_tokens(len(arguments))


def _join(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    out: list[Token] = []
    for index, argument in enumerate(arguments):
        out.extend([COMMA] if index else [])
        out.extend(argument)
    return tuple(out)


def _concatenate(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    return _string("".join(_contents(a) for a in arguments))


def _length(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    return number_tokens(len(_contents(arguments[0])))


def _substring(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    count = _number(arguments[2]) if arguments[2] else -1
    return _string(substring(_contents(arguments[0]), _number(arguments[1]), count))


def _tokens(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    return tokenize(_contents(arguments[0]), engine.warn)


def _select(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    which = _number(arguments[0])
    if which < 1:
        engine.warn("pp-sel-range", f"%sel({which}) is not a valid selector")
        return ()
    if which >= len(arguments):
        engine.warn("pp-sel-range", f"%sel({which}) exceeds the number of arguments")
        return ()
    return ((PARAMETER + which, ""),)


def _conditional(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    if not arguments[0]:
        return ()
    return ((PARAMETER + (1 if _number(arguments[0]) else 2), ""),)


def _numeral(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    value = _number(arguments[0]) & ((1 << 64) - 1)
    digits = _number(arguments[1]) if arguments[1] else -1
    base = _number(arguments[2]) if arguments[2] else 10
    if not 2 <= base <= len(_DIGITS):
        engine.error(f"invalid base {base} given to %num()")
        return ()
    if abs(digits) > _MAX_DIGITS:
        engine.error(f"digit count {digits} specified to %num() too large")
        digits = -1
    text = ""
    while value:
        text = _DIGITS[value % base] + text
        value //= base
    text = text.rjust(abs(digits), "0")
    return _string(text[-digits:] if digits > 0 else text)


def _test(engine: Engine, arguments: list[Tokens], name: str) -> Tokens:
    from toolkit.asm.preprocess.conditions import evaluate_test, split_name
    from toolkit.asm.preprocess.state import ConditionState

    directive = "%if" + name[3:].lower()  # nasm's messages name the directive
    found = split_name(directive)
    assert found is not None, "only names of tests are registered"
    _, test, negated = found
    tokens = arguments[0]
    state = evaluate_test(engine, test, negated, tokens, directive)
    return number_tokens(int(state == ConditionState.IF_TRUE))


_OPTIONAL_NUMBER = Parameter(evaluate=True, optional=True)
_FUNCTIONS = (
    SingleLineMacro("%abs", (), (_EVALUATE,), False, False, _abs),
    SingleLineMacro(
        "%cond", (), (_EVALUATE, Parameter(), Parameter(optional=True)), False, False, _conditional
    ),
    SingleLineMacro("%count", (), (Parameter(variadic=True),), False, False, _count),
    SingleLineMacro("%eval", (), (Parameter(evaluate=True, variadic=True),), False, False, _join),
    SingleLineMacro("%num", (), (_EVALUATE, _OPTIONAL_NUMBER, _OPTIONAL_NUMBER), False, False, _numeral),
    # nasm 2.16.01 evaluates every argument of %sel, not just the selector
    SingleLineMacro("%sel", (), (_EVALUATE, Parameter(evaluate=True, variadic=True)), False, False, _select),
    SingleLineMacro("%str", (), (Parameter(stringify=True, greedy=True),), False, False, _join),
    SingleLineMacro(
        "%strcat",
        (),
        (Parameter(stringify=True, keep_string=True, variadic=True),),
        False,
        False,
        _concatenate,
    ),
    SingleLineMacro("%strlen", (), (_STRING,), False, False, _length),
    SingleLineMacro("%substr", (), (_STRING, _EVALUATE, _OPTIONAL_NUMBER), False, False, _substring),
    SingleLineMacro("%tok", (), (_STRING,), False, False, _tokens),
)
NAMES = frozenset(f.name for f in _FUNCTIONS)


def function_table() -> SingleLineTable:
    """The functions as a table of single-line macros."""
    from toolkit.asm.preprocess.conditions import TESTS

    table: SingleLineTable = {f.name: (f,) for f in _FUNCTIONS}
    for test in TESTS:
        for name in (f"%is{test}", f"%isn{test}"):
            table[name] = (SingleLineMacro(name, (), (Parameter(greedy=True),), False, False, _test),)
    return table
