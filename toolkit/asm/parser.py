"""A source line into a ``Statement`` (nasm manual 3.1 to 3.3; nasm's parser.c).

A statement depends on nothing but the text, so it is made once and used in every pass (and by later programs that contain the
same line). Operands without symbols are finished here; the others keep a compiled expression that ``build`` runs
in each pass.
"""

from __future__ import annotations

import re

from toolkit.asm import scan
from toolkit.asm.data import Bytes, ItemParser, split_numbers
from toolkit.asm.data_float import FloatMode
from toolkit.asm.diagnostics import Span
from toolkit.asm.expr import Program, StatementError
from toolkit.asm.instructions.words import PREFIXES
from toolkit.asm.parser_operand import OperandParser
from toolkit.asm.parser_statement import (
    DATA,
    DIRECTIVE,
    EMPTY,
    EQU,
    INCBIN,
    INSTRUCTION,
    PREFIX_ONLY,
    RESERVE,
    WRONG,
    Line,
    Statement,
)
from toolkit.asm.parser_templates import Immediate, Memory
from toolkit.asm.scan import Token
from toolkit.asm.statement import ImmediateOperand, Instruction, Operand

MAX_OPERANDS = 5
LONG_LINE = 4000  # characters; a longer one may be nothing but numbers

_DIRECTIVE = re.compile(r"\s*\[\s*([^\s\]]*)\s*([^\]]*)\]?")


def parse_line(text: str, mode: FloatMode | None = None) -> Statement:
    """The statement on one line of preprocessed text. Never raises: what is wrong is kept in ``error``."""
    stripped = text.lstrip()
    if stripped.startswith("["):
        return _parse_directive(text)
    if len(text) > LONG_LINE and (numbers := split_numbers(text)) is not None:
        short = parse_line(numbers[0], mode)
        if short.kind == DATA and not short.warnings:
            short.items = (Bytes(numbers[1]),)
            return short
    parser = LineParser(scan.scan(text), mode)
    statement = parser.statement
    try:
        parser.parse()
    except StatementError as error:
        statement.kind, statement.error = WRONG, error.again()
    statement.warnings = tuple(parser.warnings)
    return statement


def _parse_directive(text: str) -> Statement:
    start = len(text) - len(text.lstrip())
    close, comment = text.find("]"), text.find(";")
    if close < 0 or 0 <= comment < close:
        error = StatementError("invalid directive line", start, len(text))
        return Statement(WRONG, error=error)
    match = _DIRECTIVE.match(text)
    assert match
    name, value = match.group(1), match.group(2).rstrip()
    return Statement(
        DIRECTIVE, mnemonic=name.lower(), value=value, start=match.start(1), end=match.end(1), file=name
    )


class LineParser(Line):
    """Parses one line."""

    def parse(self) -> None:
        token = self.token
        kind = token.kind
        if kind is scan.END:
            return
        is_segment = kind is scan.REGISTER and token.value in scan.SEGMENT_REGISTERS
        if kind not in (scan.IDENTIFIER, scan.MNEMONIC, scan.PREFIX) and not is_segment:
            message = str(token.value) if kind is scan.ERROR and "{" not in str(token.value) else ""
            if message == "expression syntax error" or not message:
                message = "label or instruction expected at start of line"
            raise self.error(message)
        if kind is scan.IDENTIFIER or (kind is scan.MNEMONIC and self.tokens[1].kind == ":"):
            self._label(token)
        self._prefixes()
        self._body()

    def _label(self, token: Token) -> None:
        statement = self.statement
        statement.label, statement.label_start, statement.label_end = str(token.value), token.start, token.end
        if token.warning:
            self.warnings.append((token.warning, "ptr", token.start, token.end))
        self.position = 1
        if self.token.kind == ":":
            self.position = 2
        elif self.token.kind is scan.END:
            statement.lone_label = True

    def _prefixes(self) -> None:
        slots: dict[int, str] = {}
        while True:
            token = self.token
            name = str(token.value)
            if token.kind is scan.PREFIX:
                if name == "times":
                    self.position += 1
                    start = self.token.start
                    self.statement.times = self.compile()
                    self.statement.start = start
                    self.statement.times_end = self.tokens[self.position - 1].end
                    continue
                slot = int(PREFIXES[name])
            elif token.kind is scan.REGISTER and name in scan.SEGMENT_REGISTERS:
                slot = int(PREFIXES[name])
            else:
                break
            if slot in slots:
                if slots[slot] != name:
                    raise self.error("instruction has conflicting prefixes", token)
                self.warnings.append(("instruction has redundant prefixes", "other", token.start, token.end))
            else:
                self.statement.prefixes += (name,)
            slots[slot] = name
            self.position += 1

    def _body(self) -> None:
        statement, token = self.statement, self.token
        if token.kind is scan.END and (statement.prefixes or statement.times is None):
            statement.kind = PREFIX_ONLY if statement.prefixes else EMPTY
            return
        if token.kind is not scan.MNEMONIC:
            raise self.error("parser: instruction expected")
        if statement.times is None:
            statement.start = token.start
        mnemonic = str(token.value).lower()
        statement.mnemonic, statement.end = mnemonic, token.end
        self.position += 1
        if mnemonic in scan.DATA_WIDTHS:
            self._data(token, scan.DATA_WIDTHS[mnemonic])
        elif mnemonic == "incbin":
            self._incbin()
        elif mnemonic in scan.RESERVE_WIDTHS or mnemonic == "equ":
            self._pseudo(mnemonic)
        else:
            self._instruction(mnemonic)

    def _data(self, token: Token, width: int) -> None:
        items = ItemParser(self.tokens, self.position, self.warnings, self.mode)
        self.statement.items = tuple(items.parse(width))
        self.statement.kind = DATA
        if not items.count:
            self.warnings.append(("no operand for data declaration", "db-empty", token.start, token.end))

    def _incbin(self) -> None:
        token = self.token
        if token.kind is not scan.STRING:
            raise self.error("`incbin' expects a file name", token)
        self.statement.file = str(token.value)
        self.position += 1
        programs: list[Program] = []
        while self.token.kind == ",":
            self.position += 1
            if self.token.kind is scan.END:
                break
            if self.token.kind in (scan.STRING, scan.FLOAT):
                which = "second" if not programs else "third"
                raise self.error(f"`incbin': {which} parameter is non-numeric")
            programs.append(self.compile())
        if len(programs) > 2:
            raise self.error("`incbin': more than three parameters", token)
        if self.token.kind is not scan.END:
            raise self.error("comma expected after operand")
        self.statement.expressions = tuple(programs)
        self.statement.kind = INCBIN

    def _pseudo(self, mnemonic: str) -> None:
        """RESx and EQU: an ordinary operand list, of which one plain expression makes sense."""
        statement = self.statement
        if mnemonic == "equ" and statement.label is None:
            raise StatementError("EQU not preceded by label", statement.start, statement.end)
        if mnemonic != "equ" and self.token.kind is scan.QUESTION:
            raise self.error("expression syntax error")
        self._operands()
        operands = statement.operands
        good = len(operands) == 1 and isinstance(operands[0], Immediate | ImmediateOperand)
        if not good:
            wrong = (
                "bad syntax for EQU" if mnemonic == "equ" else "invalid combination of opcode and operands"
            )
            raise StatementError(wrong, statement.start, statement.end)
        operand = operands[0]
        if isinstance(operand, Immediate):
            statement.expressions = (operand.program,)
        elif isinstance(operand, ImmediateOperand):
            statement.expressions = ((("number", operand.value.constant, 0, 0),),)
        statement.operands = ()
        statement.kind = EQU if mnemonic == "equ" else RESERVE

    def _instruction(self, mnemonic: str) -> None:
        statement = self.statement
        statement.kind = INSTRUCTION
        self._operands()
        if self.address_prefix:
            statement.prefixes += (self.address_prefix,)
        operands = statement.operands
        finished = [o for o in operands if not isinstance(o, Immediate | Memory)]
        if len(finished) == len(operands):
            statement.constant = True
            statement.instruction = Instruction(
                mnemonic, tuple(finished), statement.prefixes, statement.decorators,
                Span("", 0, statement.start + 1, statement.end - statement.start), statement.decorated_operand,
            )  # fmt: skip

    def _operands(self) -> None:
        statement = self.statement
        far_jump = statement.mnemonic in ("jmp", "call")
        operands: list[Operand | Immediate | Memory] = []
        while len(operands) < MAX_OPERANDS and self.token.kind is not scan.END:
            parser = OperandParser(self, far_jump)
            operand = parser.parse()
            if operand is None:
                self._decorators(len(operands) - 1)
            else:
                operands.append(operand)
            statement.operands = tuple(operands)
            if self.token.kind is scan.END:
                break
            self.position += 1  # the comma
        if self.token.kind is scan.END and self.tokens[self.position - 1].kind == "," and not operands:
            raise self.error("expression syntax error")

    def _decorators(self, position: int) -> None:
        """``{sae}`` or ``{rn-sae}`` stood as an operand of its own; it belongs to the one before."""
        token = self.token
        self.statement.decorators += ("{" + str(token.value) + "}",)
        self.statement.decorated_operand = position
        self.position += 1
        if self.token.kind not in (scan.END, ","):
            raise self.error("comma, colon, decorator or end of line expected after operand")
