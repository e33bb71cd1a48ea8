"""A source line into a ``Statement`` (nasm manual 3.1 to 3.3; nasm's parser.c).

A statement depends on nothing but the text, so it is made once and used in every pass (and by later programs that contain the
same line). Operands without symbols are finished here; the others keep a compiled expression that ``build`` runs
in each pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from toolkit.asm import scan
from toolkit.asm.data import Bytes, Item, ItemParser, Warning, split_numbers
from toolkit.asm.data_float import FloatMode
from toolkit.asm.expr import Program, StatementError
from toolkit.asm.expr_compile import compile_expression
from toolkit.asm.instructions.words import PREFIXES
from toolkit.asm.parser_templates import CONSTANT, Immediate, Memory, is_dynamic
from toolkit.asm.scan import Token
from toolkit.asm.source import Span
from toolkit.asm.statement import (
    ImmediateOperand,
    Instruction,
    MemoryOperand,
    Operand,
    RegisterOperand,
    Value,
)

MAX_OPERANDS = 5
LONG_LINE = 4000  # characters; a longer one may be nothing but numbers

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


class LineParser:
    """Parses one line; ``statement`` is filled as far as it gets."""

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

    def _error(self, message: str, token: Token | None = None) -> StatementError:
        token = token or self.token
        return StatementError(message, token.start, max(token.end, token.start + 1))

    def _compile(self) -> Program:
        program, self.position, _ = compile_expression(
            self.tokens, self.position, self.warnings, self.mode.characters if self.mode else 8
        )
        return program

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
            raise self._error(message)
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
                    self.statement.times = self._compile()
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
                    raise self._error("instruction has conflicting prefixes", token)
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
            raise self._error("parser: instruction expected")
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
            raise self._error("`incbin' expects a file name", token)
        self.statement.file = str(token.value)
        self.position += 1
        programs: list[Program] = []
        while self.token.kind == ",":
            self.position += 1
            if self.token.kind is scan.END:
                break
            if self.token.kind in (scan.STRING, scan.FLOAT):
                which = "second" if not programs else "third"
                raise self._error(f"`incbin': {which} parameter is non-numeric")
            programs.append(self._compile())
        if len(programs) > 2:
            raise self._error("`incbin': more than three parameters", token)
        if self.token.kind is not scan.END:
            raise self._error("comma expected after operand")
        self.statement.expressions = tuple(programs)
        self.statement.kind = INCBIN

    def _pseudo(self, mnemonic: str) -> None:
        """RESx and EQU: an ordinary operand list, of which one plain expression makes sense."""
        statement = self.statement
        if mnemonic == "equ" and statement.label is None:
            raise StatementError("EQU not preceded by label", statement.start, statement.end)
        if mnemonic != "equ" and self.token.kind is scan.QUESTION:
            raise self._error("expression syntax error")
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
            raise self._error("expression syntax error")

    def _decorators(self, position: int) -> None:
        """``{sae}`` or ``{rn-sae}`` stood as an operand of its own; it belongs to the one before."""
        token = self.token
        self.statement.decorators += ("{" + str(token.value) + "}",)
        self.statement.decorated_operand = position
        self.position += 1
        if self.token.kind not in (scan.END, ","):
            raise self._error("comma, colon, decorator or end of line expected after operand")


class OperandParser:
    """Parses one operand, from the line parser's position up to its comma or the end."""

    def __init__(self, line: LineParser, far_jump: bool) -> None:
        self.line = line
        self.far_jump = far_jump
        self.first = line.token
        self.size = self.segment_size = 0
        self.strict = self.to = False
        self.distance: str | None = None
        self.memory = False
        self.brackets = 0
        self.displacement_size = 0
        self.no_split = False
        self.relative: bool | None = None
        self.override: str | None = None
        self.opmask: str | None = None
        self.zeroing = False
        self.broadcast = 0
        self.programs: list[Program] = []
        self.index: Program | None = None

    def parse(self) -> Operand | Immediate | Memory | None:
        """The operand; None when a rounding decorator stands in its place (left for the caller to take)."""
        line = self.line
        self._sizes()
        token = line.token
        if token.kind is scan.BRACE and str(token.value) in scan.ROUNDING:
            return None
        if token.kind is scan.REGISTER and line.tokens[line.position + 1].kind in (",", scan.END, scan.BRACE):
            return self._register(str(token.value))
        if token.kind in ("[", "&", scan.MASM_POINTER):
            self.memory = True
            self.brackets = int(token.kind == "[")
            line.position += 1
        segment = self._values()
        self._closing()
        if self.memory:
            return self._memory()
        return self._immediate(segment)

    def _span(self) -> Span:
        end = self.line.tokens[self.line.position - 1].end
        return Span("", 0, self.first.start + 1, end - self.first.start)

    def _sizes(self) -> None:
        line = self.line
        while (token := line.token).kind in (scan.SIZE, scan.SPECIAL):
            word = token.value
            if isinstance(word, int):
                self.size = self.size or word
            elif word == "strict":
                self.strict = True
            elif word == "to":
                self.to = True
            elif word in ("short", "near", "far"):
                self.distance = str(word)
            else:
                raise line._error("invalid operand size specification")
            line.position += 1

    def _register(self, name: str) -> RegisterOperand:
        self.line.position += 1
        self._braces()
        self._end()
        if self.distance == "far" and not self.far_jump:
            raise self.line._error("invalid use of FAR operand specifier", self.first)
        return RegisterOperand(name, self.opmask, self.zeroing, self.size, self._span(), 0, self.to)

    def _values(self) -> Program | None:
        """The expressions of the operand, with segment override, ``disp[base]`` and ``[base,index]``; the part before ``:``."""
        line = self.line
        while True:
            if self.memory and self._modifiers():
                self.programs.append((("number", 0, line.token.start, line.token.start),))
            else:
                self.programs.append(line._compile())
            kind = line.token.kind
            if kind == "[" and not self.brackets:
                self.memory = True
            elif kind == ":" and (self.memory or not self.far_jump):
                self.memory = True
                self._segment_override()
                line.position += 1
            elif kind == ":":
                line.position += 1
                segment = self.programs.pop()
                self.segment_size, self.size = self.size, 0
                self._sizes()
                self.programs.append(line._compile())
                return segment
            else:
                break
        if self.memory and self.brackets and line.token.kind == ",":
            line.position += 1
            self.index = line._compile()
        return None

    def _segment_override(self) -> None:
        program = self.programs.pop()
        operation, name, start, end = program[0]
        if len(program) != 1 or operation != "register" or name not in scan.SEGMENT_REGISTERS:
            raise StatementError("invalid segment override", start, max(end, start + 1))
        if self.override or any(p in scan.SEGMENT_REGISTERS for p in self.line.statement.prefixes):
            raise StatementError("instruction has conflicting segment overrides", start, end)
        self.override = str(name)

    def _modifiers(self) -> bool:
        """Sizes, rel, abs, nosplit, a32 and further brackets before the expression. True when ``[,`` leaves it out."""
        line = self.line
        while True:
            token = line.token
            kind, word = token.kind, token.value
            if kind == "[":
                self.brackets += 1
            elif kind is scan.MASM_FLAT:
                line.position += 1
                if line.token.kind != ":":
                    raise line._error("unknown use of FLAT in MASM emulation", token)
                line.position += 1
                return False
            elif kind is scan.SIZE:
                if int(word) not in (1, 2, 4, 8):
                    raise line._error("invalid size specification in effective address")
                self.displacement_size = int(word)
            elif kind is scan.SPECIAL and word in ("rel", "abs"):
                self.relative = word == "rel"
            elif kind is scan.SPECIAL and word == "nosplit":
                self.no_split = True
            elif kind is scan.PREFIX and word in ("a16", "a32", "a64"):
                if line.address_prefix not in ("", word):
                    raise line._error("conflicting address size specifications")
                if word not in line.statement.prefixes:
                    line.address_prefix = str(word)
            elif kind in (scan.SPECIAL, scan.PREFIX):
                raise line._error("invalid size specification in effective address")
            else:
                return kind == ","
            line.position += 1

    def _closing(self) -> None:
        line = self.line
        kind = line.token.kind
        if not self.memory:
            if kind is scan.ERROR and "decorator" in str(line.token.value):
                raise line._error(str(line.token.value))
            if kind not in (scan.END, ",", scan.BRACE):
                raise line._error("comma, colon, decorator or end of line expected after operand")
            self._braces()
            return
        if self.brackets == 1:
            if kind != "]":
                raise line._error("expecting ] at end of memory operand")
            line.position += 1
        elif self.brackets > 1:
            raise line._error("excess brackets in memory operand")
        self._braces()
        self._end()

    def _end(self) -> None:
        line = self.line
        if line.token.kind in (scan.END, ","):
            return
        if self.memory:
            raise line._error("comma, decorator or end of line expected")
        raise line._error("comma, colon, decorator or end of line expected after operand")

    def _braces(self) -> None:
        line = self.line
        while (token := line.token).kind not in (",", scan.END):
            word = str(token.value)
            if token.kind is not scan.BRACE:
                if token.kind is scan.ERROR:
                    raise line._error(word)
                return
            if word == "z":
                self.zeroing = True
            elif word.startswith("1to"):
                self.broadcast = int(word[3:])
            elif word[0] == "k":
                if self.opmask:
                    raise line._error(f"opmask {self.opmask} is already set")
                self.opmask = word
            else:
                raise line._error(f"{{{word}}} is not an expected decorator")
            line.position += 1

    def _memory(self) -> MemoryOperand | Memory:
        finished = MemoryOperand(
            Value(), self.size, self.override, self.relative, self.displacement_size, self.no_split,
            0, None, None, None, self.distance, self.strict, self.broadcast, self.opmask, self.zeroing, self.to,
            self._span(),
        )  # fmt: skip
        template = Memory(tuple(self.programs), self.index, finished)
        if any(is_dynamic(program) for program in (*self.programs, self.index or ())):
            return template
        built = template.build(CONSTANT)
        assert isinstance(built, MemoryOperand)
        return built

    def _immediate(self, segment: Program | None) -> Operand | Immediate:
        if self.distance == "far" and not self.far_jump:
            raise self.line._error("invalid use of FAR operand specifier", self.first)
        program = self.programs[0]
        template = Immediate(
            program, self.size, self.strict, self.distance, segment, self.to, self._span(), self.opmask, self.zeroing,
            self.segment_size,
        )  # fmt: skip
        if is_dynamic(program) or (segment is not None and is_dynamic(segment)):
            return template
        return template.build(CONSTANT)
