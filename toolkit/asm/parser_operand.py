"""One operand of an instruction, as nasm's parse_line() and parse_mref() read it (nasm manual 3.3)."""

from __future__ import annotations

from toolkit.asm import scan
from toolkit.asm.diagnostics import Span
from toolkit.asm.expr import Program, StatementError
from toolkit.asm.parser_statement import Line
from toolkit.asm.parser_templates import CONSTANT, Immediate, Memory, is_dynamic
from toolkit.asm.statement import MemoryOperand, Operand, RegisterOperand, Value


class OperandParser:
    """Parses one operand, from the line parser's position up to its comma or the end."""

    def __init__(self, line: Line, far_jump: bool) -> None:
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
                raise line.error("invalid operand size specification")
            line.position += 1

    def _register(self, name: str) -> RegisterOperand:
        self.line.position += 1
        self._braces()
        self._end()
        if self.distance == "far" and not self.far_jump:
            raise self.line.error("invalid use of FAR operand specifier", self.first)
        return RegisterOperand(name, self.opmask, self.zeroing, self.size, self._span(), 0, self.to)

    def _values(self) -> Program | None:
        """The expressions of the operand, with segment override, ``disp[base]`` and ``[base,index]``; the part before ``:``."""
        line = self.line
        while True:
            if self.memory and self._modifiers():
                self.programs.append((("number", 0, line.token.start, line.token.start),))
            else:
                self.programs.append(line.compile())
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
                self.programs.append(line.compile())
                return segment
            else:
                break
        if self.memory and self.brackets and line.token.kind == ",":
            line.position += 1
            self.index = line.compile()
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
                    raise line.error("unknown use of FLAT in MASM emulation", token)
                line.position += 1
                return False
            elif kind is scan.SIZE:
                if int(word) not in (1, 2, 4, 8):
                    raise line.error("invalid size specification in effective address")
                self.displacement_size = int(word)
            elif kind is scan.SPECIAL and word in ("rel", "abs"):
                self.relative = word == "rel"
            elif kind is scan.SPECIAL and word == "nosplit":
                self.no_split = True
            elif kind is scan.PREFIX and word in ("a16", "a32", "a64"):
                if line.address_prefix not in ("", word):
                    raise line.error("conflicting address size specifications")
                if word not in line.statement.prefixes:
                    line.address_prefix = str(word)
            elif kind in (scan.SPECIAL, scan.PREFIX):
                raise line.error("invalid size specification in effective address")
            else:
                return kind == ","
            line.position += 1

    def _closing(self) -> None:
        line = self.line
        kind = line.token.kind
        if not self.memory:
            if kind is scan.ERROR and "decorator" in str(line.token.value):
                raise line.error(str(line.token.value))
            if kind not in (scan.END, ",", scan.BRACE):
                raise line.error("comma, colon, decorator or end of line expected after operand")
            self._braces()
            return
        if self.brackets == 1:
            if kind != "]":
                raise line.error("expecting ] at end of memory operand")
            line.position += 1
        elif self.brackets > 1:
            raise line.error("excess brackets in memory operand")
        self._braces()
        self._end()

    def _end(self) -> None:
        line = self.line
        if line.token.kind in (scan.END, ","):
            return
        if self.memory:
            raise line.error("comma, decorator or end of line expected")
        raise line.error("comma, colon, decorator or end of line expected after operand")

    def _braces(self) -> None:
        line = self.line
        while (token := line.token).kind not in (",", scan.END):
            word = str(token.value)
            if token.kind is not scan.BRACE:
                if token.kind is scan.ERROR:
                    raise line.error(word)
                return
            if word == "z":
                self.zeroing = True
            elif word.startswith("1to"):
                self.broadcast = int(word[3:])
            elif word[0] == "k":
                if self.opmask:
                    raise line.error(f"opmask {self.opmask} is already set")
                self.opmask = word
            else:
                raise line.error(f"{{{word}}} is not an expected decorator")
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
            raise self.line.error("invalid use of FAR operand specifier", self.first)
        program = self.programs[0]
        template = Immediate(
            program, self.size, self.strict, self.distance, segment, self.to, self._span(), self.opmask, self.zeroing,
            self.segment_size,
        )  # fmt: skip
        if is_dynamic(program) or (segment is not None and is_dynamic(segment)):
            return template
        return template.build(CONSTANT)
