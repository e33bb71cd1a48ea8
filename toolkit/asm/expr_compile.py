"""An expression's tokens into a postfix program (the grammar of nasm's eval.c).

Two stacks do it, so that neither deep parentheses nor long sums recurse.
"""

from __future__ import annotations

from collections.abc import Sequence

from toolkit.asm import scan
from toolkit.asm.expr import UNKNOWN, Program, Result, StatementError, evaluate
from toolkit.asm.scan import Token
from toolkit.asm.statement import Value

MAX_TERMS = 8192  # nasm's own limit on operands in one expression

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
