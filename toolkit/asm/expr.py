"""NASM's expressions (nasm manual 3.5, 3.6; nasm's eval.c): tokens → a postfix program → a value.

``compile_expression`` turns tokens into postfix order with two stacks, so that neither deep parentheses nor long sums
recurse; ``evaluate`` runs the program against an ``Environment``, once in each pass. A plain number is an ``int``;
anything with a section, symbol or register in it, or not yet known, is a ``Value``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from toolkit.asm import scan
from toolkit.asm.scan import Token
from toolkit.asm.statement import Base, Value, wrap64

MAX_TERMS = 8192  # nasm's own limit on operands in one expression

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


_PRECEDENCE = {
    "||": 2, "^^": 3, "&&": 4,
    "=": 5, "!=": 5, "<": 5, "<=": 5, ">": 5, ">=": 5, "<=>": 5,
    "|": 6, "^": 7, "&": 8, "<<": 9, ">>": 9, ">>>": 9, "+": 10, "-": 10,
    "*": 11, "/": 11, "%": 11, "//": 11, "%%": 11,
}  # fmt: skip
_UNARY = {"-": "neg", "~": "~", "!": "!", scan.SEG: "seg"}
UNARY_PRECEDENCE = 12


class Compiler:
    """Compiles one expression that starts at ``tokens[position]``; afterwards ``position`` is the first token behind it."""

    def __init__(
        self,
        tokens: Sequence[Token],
        position: int,
        warnings: list[tuple[str, str, int, int]],
        characters: int = 8,
    ) -> None:
        self.characters = characters
        self.tokens = tokens
        self.position = position
        self.warnings = warnings
        self.output: list[tuple[str, int | str | Value, int, int]] = []
        self.pending: list[tuple[str, str, int, int, int]] = []  # (kind, operator, precedence, start, end)
        self.terms = 0
        self.dynamic = False

    def compile(self) -> Program:
        self._compile_part()
        token = self.tokens[self.position]
        if token.kind is scan.WRT:
            self._compile_wrt(token)
        return tuple(self.output)

    def _compile_wrt(self, token: Token) -> None:
        self.position += 1
        kind = self.tokens[self.position]
        if (
            kind.kind is scan.IDENTIFIER
            and str(kind.value).startswith("..")
            and not str(kind.value).startswith("..@")
        ):
            self.output.append(("wrt special", str(kind.value), token.start, kind.end))
            self.position += 1
            self.dynamic = True
            return
        self._compile_part(only_operand=True)
        self.output.append(("wrt", "", token.start, token.end))

    def _compile_part(self, only_operand: bool = False) -> None:
        """``bexpr`` of nasm's grammar; with ``only_operand`` its ``expr6``."""
        bottom = len(self.pending)
        while True:
            self._operand()
            if only_operand and not any(entry[0] == "(" for entry in self.pending[bottom:]):
                break
            if not self._operator(bottom):
                break
        self._reduce(0, bottom)
        if len(self.pending) > bottom:
            kind, _, _, start, end = self.pending[-1]
            raise StatementError("expecting `)'" if kind == "(" else "`?' without matching `:'", start, end)

    def _operand(self) -> None:
        """Push unary operators and parentheses up to and including one operand."""
        tokens = self.tokens
        while True:
            token = tokens[self.position]
            kind, value, start, end, _ = token
            if kind in _UNARY:
                self._count(token)
                self.pending.append(("unary", _UNARY[kind], UNARY_PRECEDENCE, start, end))
            elif kind is scan.FUNCTION:
                self._count(token)
                self.pending.append(("unary", str(value), UNARY_PRECEDENCE, start, end))
            elif kind == "(":
                self._count(token)
                self.pending.append(("(", "(", 0, start, end))
            elif kind == "+":
                self._count(token)
            else:
                self._count(token)
                self._term(token)
                return
            self.position += 1

    def _count(self, token: Token) -> None:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise StatementError("expression too long", token.start, token.end)

    def _term(self, token: Token) -> None:
        kind, value, start, end, warning = token
        if warning:
            self.warnings.append(
                (warning, "ptr" if kind is scan.IDENTIFIER else "number-overflow", start, end)
            )
        if kind is scan.NUMBER:
            self.output.append(("number", value, start, end))
        elif kind is scan.IDENTIFIER or kind is scan.MNEMONIC:
            self.output.append(("symbol", value, start, end))
            self.dynamic = True
        elif kind is scan.REGISTER:
            self.output.append(("register", value, start, end))
        elif kind == scan.HERE or kind == scan.BASE:
            self.output.append(("here" if kind == scan.HERE else "base", "", start, end))
            self.dynamic = True
        elif kind is scan.STRING:
            self._string(str(value), start, end)
        elif kind is scan.FLOAT_FUNCTION:
            self._float_function(token)
        elif kind is scan.STRING_FUNCTION:
            self._string_function(token)
        else:
            raise StatementError(
                str(value) if kind is scan.ERROR else "expression syntax error", start, max(end, start + 1)
            )
        self.position += 1

    def _string(self, text: str, start: int, end: int) -> None:
        if len(text) > self.characters:
            self.warnings.append(("character constant too long", "other", start, end))
        self.output.append(("number", scan.string_value(text, self.characters), start, end))

    def _float_function(self, token: Token) -> None:
        from toolkit.asm.data_float import encode_part

        def expect(kinds: tuple[str, ...], what: str) -> Token:
            self.position += 1
            found = self.tokens[self.position]
            if found.kind not in kinds:
                raise StatementError(f"expecting {what}", found.start, max(found.end, found.start + 1))
            return found

        expect(("(",), "`('")
        found = expect((scan.FLOAT, "-", "+"), "floating-point number")
        negative = found.kind == "-"
        if found.kind in ("-", "+"):
            found = expect((scan.FLOAT,), "floating-point number")
        value = encode_part(str(token.value), str(found.value), negative)
        close = expect((")",), "`)'")
        self.output.append(("number", value, token.start, close.end))

    def _string_function(self, token: Token) -> None:
        from toolkit.asm.data import transform_string

        self.position += 1
        parenthesis = self.tokens[self.position].kind == "("
        self.position += parenthesis
        found = self.tokens[self.position]
        if found.kind is not scan.STRING:
            raise StatementError("expecting string", found.start, max(found.end, found.start + 1))
        text = transform_string(str(token.value), str(found.value))
        if text is None:
            raise StatementError("invalid string for transform", found.start, found.end)
        if parenthesis:
            self.position += 1
            close = self.tokens[self.position]
            if close.kind != ")":
                raise StatementError("expecting `)'", close.start, max(close.end, close.start + 1))
        self._string(text, token.start, found.end)

    def _operator(self, bottom: int) -> bool:
        """Take what follows an operand; False when the expression ends there."""
        while True:
            token = self.tokens[self.position]
            kind = token.kind
            precedence = _PRECEDENCE.get(kind)
            if precedence is not None:
                self._reduce(precedence, bottom)
                self.pending.append(("binary", kind, precedence, token.start, token.end))
            elif kind is scan.QUESTION:
                self._reduce(2, bottom)
                self.pending.append(("?", "?", 0, token.start, token.end))
            elif kind == ":" and self._close_question(bottom):
                pass
            elif kind == ")" and self._close_parenthesis(bottom):
                self.position += 1
                continue
            else:
                return False
            self.position += 1
            return True

    def _close_question(self, bottom: int) -> bool:
        """At ``:``: complete the value between it and the nearest open ``?``; False if none is open here."""
        self._reduce(1, bottom)
        if len(self.pending) <= bottom or self.pending[-1][0] != "?":
            return False
        _, _, _, start, end = self.pending.pop()
        self.pending.append(("choose", "", 1, start, end))
        return True

    def _close_parenthesis(self, bottom: int) -> bool:
        self._reduce(0, bottom)
        if len(self.pending) > bottom and self.pending[-1][0] == "(":
            self.pending.pop()
            self._reduce(UNARY_PRECEDENCE, bottom)
            return True
        if len(self.pending) > bottom:  # an open ?
            _, _, _, start, end = self.pending[-1]
            raise StatementError("`?' without matching `:'", start, end)
        return False

    def _reduce(self, precedence: int, bottom: int) -> None:
        """Move pending operators that bind at least as tightly as ``precedence`` to the output.

        The right-associative ``?:`` (1) is left for an enclosing one only until something of precedence 0 or 1 ends it.
        """
        pending = self.pending
        while len(pending) > bottom:
            kind, operator, own, start, end = pending[-1]
            if kind in ("(", "?") or own < precedence:
                return
            pending.pop()
            self.output.append((kind, operator, start, end))


def compile_expression(
    tokens: Sequence[Token], position: int, warnings: list[tuple[str, str, int, int]], characters: int = 8
) -> tuple[Program, int, bool]:
    """(program, position behind it, whether its value can change between passes). Raises StatementError."""
    compiler = Compiler(tokens, position, warnings, characters)
    program = compiler.compile()
    if len(program) > 1 and not compiler.dynamic and not any(step[0] == "register" for step in program):
        value = evaluate(program, _NOWHERE)
        if any(step[:2] == ("unary", "ilog2w") for step in program):
            _warn_logarithm(program, warnings)
        program = (("number", value, program[0][2], program[-1][3]),)
    return program, compiler.position, compiler.dynamic


def _warn_logarithm(program: Program, warnings: list[tuple[str, str, int, int]]) -> None:
    for index, step in enumerate(program):
        if step[:2] == ("unary", "ilog2w"):
            argument = evaluate(program[:index], _NOWHERE) if index == 1 else 1
            if not isinstance(argument, int) or argument & argument - 1 or not argument:
                warnings.append(("ilog2 argument is not a power of two", "other", step[2], step[3]))


class _Nowhere:
    """The environment of constants: nothing in them asks it."""

    def lookup(self, name: str, start: int, end: int) -> Result:
        raise StatementError(f"symbol `{name}' not defined", start, end)

    def here(self) -> Result:
        return UNKNOWN

    base = here

    def special(self, name: str, start: int, end: int) -> None:
        raise StatementError(f"symbol `{name}' not defined", start, end)


_NOWHERE = _Nowhere()
