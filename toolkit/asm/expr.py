"""The values of NASM's expressions (nasm manual 3.5, 3.6; nasm's eval.c).

``expr_compile`` makes a postfix program of an expression; ``evaluate`` runs it against an ``Environment``, once in each pass. A plain
number is an ``int``; anything with a section, symbol or register in it, or not yet known, is a ``Value``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from toolkit.asm.statement import Base, Value, wrap64

Result = int | Value
Program = tuple[
    tuple[str, "int | str | Value", int, int], ...
]  # (operation, argument, start, end in the line)
MASK = 0xFFFFFFFFFFFFFFFF


class StatementError(Exception):
    """A statement is wrong. ``message`` is nasm's wording; ``start`` and ``end`` are where in the line, from 0."""

    def __init__(self, message: str, start: int = 0, end: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end

    def again(self) -> StatementError:
        """The same without a traceback, whose frames would keep alive the program it was first raised for."""
        return StatementError(self.message, self.start, self.end)


class Environment(Protocol):
    """What an expression may ask. ``lookup`` raises StatementError for a symbol that may not be unknown here."""

    def lookup(self, name: str, start: int, end: int) -> Result: ...
    def here(self) -> Result: ...
    def base(self) -> Result: ...
    def special(self, name: str, start: int, end: int) -> None:
        """Raise StatementError when ``..name`` is no WRT kind of the output format."""
        ...


class Hints:
    """Which register of a memory operand was meant as base (nasm's eval_hints)."""

    __slots__ = ("kind", "register")
    NONE, MAKE_BASE, NOT_BASE, SUMMED = range(4)

    def __init__(self) -> None:
        self.kind = self.NONE
        self.register = ""


# An unknown value counts how often it was added: nasm takes one unknown minus another for nothing at all.
UNKNOWN = Value(1, unknown=True, forward=True)


def _register_order(term: tuple[Base, int]) -> tuple[int, str]:
    return (0, term[0]) if isinstance(term[0], str) else (1, "")


def _normal(constant: int, terms: dict[Base, int], wrt: Base | None, forward: bool) -> Result:
    kept = [(base, coefficient) for base, coefficient in terms.items() if coefficient]
    if not kept and wrt is None:
        return wrap64(constant)
    if len(kept) > 1:
        kept.sort(key=_register_order)
    return Value(wrap64(constant), tuple(kept), wrt, forward)


def _unknown(count: int, terms: dict[Base, int]) -> Result:
    """An unknown value ``count`` times, beside registers; what else was added is lost (nasm's add_vectors)."""
    registers = tuple(sorted((b, c) for b, c in terms.items() if isinstance(b, str) and c))
    if not count and not registers:
        return 0
    return Value(count, registers, None, True, bool(count))


def add(a: Result, b: Result, hints: Hints | None = None) -> Result:
    """``a + b``; hints as nasm's add_vectors changes them."""
    if isinstance(a, int):
        if isinstance(b, int):
            if hints is not None and a and b and a + b:
                hints.kind = Hints.SUMMED
            return wrap64(a + b)
        a, b = b, a
    assert isinstance(a, Value)
    if isinstance(b, int):
        if hints is not None and b and a.constant and not a.unknown and a.constant + b:
            hints.kind = Hints.SUMMED
        if a.unknown:
            return a
        return Value(wrap64(a.constant + b), a.terms, a.wrt, a.forward)
    terms = dict(a.terms)
    for base, coefficient in b.terms:
        if base in terms and hints is not None and terms[base] + coefficient:
            hints.kind = Hints.SUMMED
        terms[base] = wrap64(terms.get(base, 0) + coefficient)
    if a.unknown or b.unknown:
        count = (a.constant if a.unknown else 0) + (b.constant if b.unknown else 0)
        if a.unknown and b.unknown and count and hints is not None:
            hints.kind = Hints.SUMMED
        return _unknown(count, terms)
    wrt = a.wrt if a.wrt is not None else b.wrt
    return _normal(a.constant + b.constant, terms, wrt, a.forward or b.forward)


def scale(a: Result, factor: int) -> Result:
    """``a * factor`` for a plain number ``factor``."""
    if isinstance(a, int):
        return wrap64(a * factor)
    terms = {base: wrap64(coefficient * factor) for base, coefficient in a.terms}
    if a.unknown:
        return _unknown(wrap64(a.constant * factor), terms)
    return _normal(a.constant * factor, terms, None, a.forward)


def is_unknown(a: Result) -> bool:
    """Nothing but unknown: no register stands beside it (nasm's is_just_unknown)."""
    return isinstance(a, Value) and a.unknown and not a.terms


def _shift_left(a: int, b: int) -> int:
    return a << (b & 63)


_SCALAR: dict[str, Callable[[int, int], int]] = {
    "||": lambda a, b: int(bool(a) or bool(b)),
    "^^": lambda a, b: int((not a) != (not b)),
    "&&": lambda a, b: int(bool(a) and bool(b)),
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "<<": _shift_left,
    ">>": lambda a, b: (a & MASK) >> (b & 63),
    ">>>": lambda a, b: a >> (b & 63),
    "/": lambda a, b: (a & MASK) // (b & MASK),
    "%": lambda a, b: (a & MASK) % (b & MASK),
    "//": lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    "%%": lambda a, b: abs(a) % abs(b) * (-1 if a < 0 else 1),
}
_COMPARE: dict[str, Callable[[int], int]] = {
    "<": lambda d: int(d < 0),
    ">": lambda d: int(d > 0),
    "<=": lambda d: int(d <= 0),
    ">=": lambda d: int(d >= 0),
    "<=>": lambda d: (d > 0) - (d < 0),
}
_OPERATOR_NAMES = {"||": "|", "^^": "^", "&&": "&"}


def _message(operator: str) -> str:
    if operator in ("<<", ">>", ">>>"):
        return "shift operator may only be applied to scalar values"
    if operator in ("/", "%", "//", "%%"):
        return "division operator may only be applied to scalar values"
    return f"`{_OPERATOR_NAMES.get(operator, operator)}' operator may only be applied to scalar values"


def _binary(operator: str, a: Result, b: Result, hints: Hints | None) -> Result:
    if operator == "+":
        return add(a, b, hints)
    if operator == "-":
        return add(a, scale(b, -1), hints)
    if operator == "*":
        return _multiply(a, b, hints)
    if operator in _COMPARE or operator in ("=", "!="):
        return _compare(operator, a, b)
    if isinstance(a, int) and isinstance(b, int):
        if not b and operator in ("/", "%", "//", "%%"):
            raise StatementError("division by zero")
        return wrap64(_SCALAR[operator](a, b))
    for side in (a, b):
        if not isinstance(side, int) and not is_unknown(side):
            raise StatementError(_message(operator))
    if b == 0 and operator in ("/", "%", "//", "%%"):
        raise StatementError("division by zero")
    return UNKNOWN


def _multiply(a: Result, b: Result, hints: Hints | None) -> Result:
    if isinstance(a, int):
        vector, factor = b, a
    elif isinstance(b, int):
        vector, factor = a, b
    elif is_unknown(a) and is_unknown(b):
        return UNKNOWN
    else:
        raise StatementError("unable to multiply two non-scalar objects")
    if hints is not None and hints.kind == Hints.MAKE_BASE and _contains(vector, hints.register):
        hints.kind = Hints.NOT_BASE
    return scale(vector, factor)


def _contains(vector: Result, register: str) -> bool:
    return isinstance(vector, Value) and any(base == register for base, _ in vector.terms)


def _compare(operator: str, a: Result, b: Result) -> Result:
    difference = add(a, scale(b, -1))
    if isinstance(difference, Value):
        if difference.unknown:
            return UNKNOWN
        if operator in ("=", "!="):
            return int(operator == "!=")
        raise StatementError(f"`{operator}': operands differ by a non-scalar")
    if operator in ("=", "!="):
        return int((difference == 0) == (operator == "="))
    result = _COMPARE[operator](difference)
    return result if result >= 0 else UNKNOWN  # nasm: -1 means unknown


def _unary(operator: str, a: Result) -> Result:
    if operator == "neg":
        return scale(a, -1)
    if operator == "seg":
        return _segment(a)
    if is_unknown(a):
        return UNKNOWN
    if not isinstance(a, int):
        named = f"`{operator}' operator" if operator in "~!" else "function"
        raise StatementError(f"{named} may only be applied to scalar values")
    if operator == "~":
        return ~a
    if operator == "!":
        return int(not a)
    return _logarithm(operator, a & MASK)


def _logarithm(function: str, value: int) -> int:
    if function == "ilog2c":
        return 0 if value < 2 else (value - 1).bit_length()
    if function == "ilog2e" and (value & value - 1 or not value):
        raise StatementError("ilog2 argument is not a power of two")
    return max(value.bit_length() - 1, 0)


def _segment(a: Result) -> Result:
    if isinstance(a, Value) and a.unknown:
        return UNKNOWN
    if isinstance(a, int) or len(a.terms) != 1 or a.terms[0][1] != 1 or isinstance(a.terms[0][0], str):
        raise StatementError("cannot apply SEG to a non-relocatable value")
    raise StatementError("ELF format does not support segment base references")


def evaluate(program: Program, environment: Environment, hints: Hints | None = None) -> Result:
    """Run a compiled expression. Raises StatementError (with the place in the line) for what nasm refuses."""
    if len(program) == 1:
        operation, argument, start, end = program[0]
        if operation == "symbol":
            return environment.lookup(argument, start, end)  # type: ignore[arg-type]
        if operation == "number":
            return argument  # type: ignore[return-value]
    stack: list[Result] = []
    for operation, argument, start, end in program:
        try:
            if operation == "number":
                stack.append(argument)  # type: ignore[arg-type]
            elif operation == "symbol":
                stack.append(environment.lookup(argument, start, end))  # type: ignore[arg-type]
            elif operation == "binary":
                right = stack.pop()
                stack[-1] = _binary(argument, stack[-1], right, hints)  # type: ignore[arg-type]
            elif operation == "register":
                if hints is not None and hints.kind == Hints.NONE:
                    hints.kind, hints.register = Hints.MAKE_BASE, argument  # type: ignore[assignment]
                stack.append(Value(0, ((argument, 1),)))  # type: ignore[arg-type]
            elif operation == "here":
                stack.append(environment.here())
            elif operation == "base":
                stack.append(environment.base())
            elif operation == "unary":
                stack[-1] = _unary(argument, stack[-1])  # type: ignore[arg-type]
            elif operation == "choose":
                _choose(stack)
            elif operation == "wrt":
                right = stack.pop()
                stack[-1] = _with_respect_to(stack[-1], right)
            else:
                environment.special(argument, start, end)  # type: ignore[arg-type]
                stack[-1] = _with_respect_to_special(stack[-1], argument)  # type: ignore[arg-type]
        except StatementError as error:
            if not error.end:
                error.start, error.end = start, end
            raise
    return stack[0]


def _choose(stack: list[Result]) -> None:
    """``stack`` ends in condition, value if true, value if false; the chosen one replaces them."""
    otherwise = stack.pop()
    value = stack.pop()
    condition = stack[-1]
    if isinstance(condition, int):
        stack[-1] = value if condition else otherwise
    elif is_unknown(condition):
        stack[-1] = UNKNOWN
    else:
        raise StatementError("the left-hand side of `?' must be a scalar value")


def _with_respect_to(a: Result, kind: Result) -> Result:
    if is_unknown(kind):
        return UNKNOWN
    if isinstance(kind, int):
        return _with_respect_to_special(a, "..absolute")  # which no format can express
    raise StatementError("invalid right-hand operand to WRT")


def _with_respect_to_special(a: Result, kind: Base) -> Result:
    if isinstance(a, int):
        return Value(a, (), kind)
    if a.unknown:
        return a
    return Value(a.constant, a.terms, kind, a.forward)
