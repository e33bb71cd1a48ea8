"""What a line becomes, and the line on its way there: what the parsers of lines and of operands share."""

from __future__ import annotations

from dataclasses import dataclass, field

from toolkit.asm.data import Item, Warning
from toolkit.asm.data_float import FloatMode
from toolkit.asm.expr import Program, StatementError
from toolkit.asm.expr_compile import compile_expression
from toolkit.asm.parser_templates import Immediate, Memory
from toolkit.asm.scan import Token
from toolkit.asm.statement import Instruction, Operand

EMPTY, INSTRUCTION, DATA, RESERVE, INCBIN, EQU, DIRECTIVE, PREFIX_ONLY, WRONG = range(9)


@dataclass(slots=True)
class Statement:
    """One parsed line. ``kind`` is one of the constants above; ``label`` is defined before anything else happens.

    ``times`` is None without TIMES. ``operands`` hold finished operands or templates, ``constant`` is True when all are
    finished. ``error`` is what made a WRONG statement wrong. Spans within it have no file and line yet.
    """

    kind: int = EMPTY
    label: str | None = None
    label_end: int = 0
    label_start: int = 0
    lone_label: bool = False
    times: Program | None = None
    times_end: int = 0
    mnemonic: str = ""
    start: int = 0
    end: int = 0
    prefixes: tuple[str, ...] = ()
    operands: tuple[Operand | Immediate | Memory, ...] = ()
    decorators: tuple[str, ...] = ()
    decorated_operand: int | None = None
    constant: bool = False
    instruction: Instruction | None = None
    items: tuple[Item, ...] = ()
    expressions: tuple[Program, ...] = ()  # of RESERVE, EQU and INCBIN
    file: str = ""  # of INCBIN
    value: str = ""  # of DIRECTIVE
    error: StatementError | None = None
    warnings: tuple[Warning, ...] = ()
    encodings: dict[object, object] = field(default_factory=dict)  # layout's cache for constant instructions


class Line:
    """The tokens of one line and how far they are parsed; ``statement`` is filled as far as that."""

    def __init__(self, tokens: list[Token], mode: FloatMode | None) -> None:
        self.tokens = tokens
        self.position = 0
        self.mode = mode
        self.warnings: list[Warning] = []
        self.statement = Statement()
        self.address_prefix = ""

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def error(self, message: str, token: Token | None = None) -> StatementError:
        token = token or self.token
        return StatementError(message, token.start, max(token.end, token.start + 1))

    def compile(self) -> Program:
        program, self.position, _ = compile_expression(
            self.tokens, self.position, self.warnings, self.mode.characters if self.mode else 8
        )
        return program
