"""Passes over a program: every statement gets its place, again and again until no label moves (nasm's nasm.c, assemble.c).

``run_passes`` is the loop; a ``Pass`` is one run over the lines; ``Layout`` is what outlives a pass: labels and sections.
In the first pass a symbol defined further down is unknown; in later ones it has the last pass's value. Growth isn't
monotone, so the number of passes is limited, by nasm's rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from toolkit.asm import layout_pseudo
from toolkit.asm.data_float import FloatMode
from toolkit.asm.diagnostics import Span
from toolkit.asm.directives import carry_out
from toolkit.asm.encode import EncodeError, encode
from toolkit.asm.expr import UNKNOWN, Program, Result, StatementError, evaluate
from toolkit.asm.expr_compile import compile_expression
from toolkit.asm.layout_data import lay_out_data
from toolkit.asm.layout_format import Format
from toolkit.asm.layout_place import Place, PlaceError
from toolkit.asm.layout_symbols import LabelError, Labels
from toolkit.asm.objfile import Section
from toolkit.asm.parser import parse_line
from toolkit.asm.parser_statement import (
    DATA,
    DIRECTIVE,
    EQU,
    INCBIN,
    INSTRUCTION,
    PREFIX_ONLY,
    RESERVE,
    WRONG,
    Statement,
)
from toolkit.asm.preprocess import EvaluationError, SourceLine
from toolkit.asm.scan import ERROR, scan
from toolkit.asm.source import SourceTree
from toolkit.asm.statement import Base, Encoding, EncodingContext, Fixup, Instruction, Operand, Value

MAX_STALLED = 1000  # nasm's limits on passes that bring no progress
MAX_REPEATED = 2_000_000  # TIMES of something whose bytes depend on where it stands
MAX_LINES_LAID_OUT = 3_000_000  # over all passes after the tenth
MAX_CACHED_LINES = 20_000
MAX_CACHED_LINE = 500  # characters; longer lines are forgotten after their program

_statements: dict[int, dict[str, Statement]] = {4: {}, 8: {}}  # by the characters a constant may have


def trim_cache(layout: Layout) -> None:
    """Forget parsed lines when there are too many; called at the end of a program, never within one."""
    for statements, text in layout.long_lines:
        statements.pop(text, None)
    for statements in _statements.values():
        if len(statements) > MAX_CACHED_LINES:
            statements.clear()


class Layout:
    """What a program's passes share. ``text`` is the section it starts in, listed in ``sections`` once it is used."""

    def __init__(self, format: Format, tree: SourceTree, encoder: str = "auto") -> None:
        self.format = format
        self.encoder = encoder
        self.tree = tree
        self.labels = Labels()
        self.sections: dict[str, Section] = {}
        self.text = format.default_section()
        if format.name == "bin":
            self.labels.define_section(self.text)
        self.osabi = (0, 0)
        self.passes = 0
        self.needed_early: set[tuple[str, int, str]] = set()
        self.kept_modes: tuple[bool, bool, str, bool] = (False, False, "near", False)
        self.long_lines: list[tuple[dict[str, Statement], str]] = []


Report = Callable[..., None]  # (severity, nasm_message, line, start, end, category, error, related)


class Record:
    """What one statement put where; the listing and debug information are made of these."""

    __slots__ = ("kind", "length", "line", "offset", "section", "times")

    def __init__(
        self, line: SourceLine, section: Section | None, offset: int, length: int, times: int, kind: int
    ) -> None:
        self.line = line
        self.section = section
        self.offset = offset
        self.length = length
        self.times = times
        self.kind = kind


class Pass:
    """One run over the lines of a program. It is the environment of the expressions in them."""

    def __init__(self, layout: Layout, report: Report, warning_states: dict[str, str]) -> None:
        self.layout = layout
        self.labels = layout.labels
        self.format = layout.format
        self.report = report
        self.place = Place(layout.text)
        self.context = EncodingContext(bits=layout.format.bits, extra={"format": layout.format.name})
        self.context_key: tuple[object, ...] = ()
        self.bits_changed: Callable[[int], None] = lambda bits: None
        self.float_mode = FloatMode()
        self.statements = _statements[8]
        self.first = layout.labels.pass_number == 1
        self.final = False  # labels are fixed: bytes were counted already
        self.critical = False
        self.premature = False  # a critical expression named a symbol that was not known yet
        self.uncertain = False  # a symbol's value was not known yet
        self.origin: int | None = None
        self.directive = ""
        self.listing_switches: list[tuple[int, bool]] = []  # the listed lines with [list -] and [list +]
        self.records: list[Record] | None = None
        self.rows: list[tuple[str, int, int, str, int]] = []
        self.first_warning_states = dict(warning_states)
        self.warning_states = dict(warning_states)
        self.warning_stack: list[dict[str, str]] = []
        self.line = SourceLine("", "", 1, "", 1, (), "")
        self.context.first_pass = self.first
        self._restore_modes()
        self.context_changed()

    def _restore_modes(self) -> None:
        """DEFAULT and FLOAT hold on from one pass to the next in nasm."""
        context = self.context
        relative, bound, rounding, zero = self.layout.kept_modes
        context.default_relative, context.default_bound_relative = relative, bound
        self.float_mode = FloatMode(rounding, zero)

    def keep_modes(self) -> bool:
        """Hand DEFAULT and FLOAT on to the next pass. True when that pass starts otherwise than this one did."""
        context, mode = self.context, self.float_mode
        before = self.layout.kept_modes
        self.layout.kept_modes = (
            context.default_relative, context.default_bound_relative, mode.rounding, mode.denormals_are_zero,
        )  # fmt: skip
        return self.layout.kept_modes != before

    # What expressions ask.

    def lookup(self, name: str, start: int, end: int) -> Result:
        label = self.labels.find(name)
        if label is not None:
            if label.symbol is not None:
                label.symbol.referenced = True
            return label.value
        if name in self.format.specials:
            raise StatementError("ELF format does not support segment base references", start, end)
        if self.critical:
            self.premature = True
            raise StatementError(f"symbol `{self.labels.full_name(name)}' not defined before use", start, end)
        if not self.first:
            raise StatementError(f"symbol `{self.labels.full_name(name)}' not defined", start, end)
        self.uncertain = True
        return UNKNOWN

    def here(self) -> Result:
        return self.place.here()

    def base(self) -> Result:
        return self.place.start()

    def constant(self, text: str) -> Result:
        """The value of a critical expression in a directive. Raises StatementError."""
        return self._critical(text)[0]

    def uncritical(self, text: str) -> Result:
        """The value of an expression that may name symbols defined below."""
        program, _, _ = compile_expression(scan(text), 0, [])
        return evaluate(program, self)

    def evaluate_for_preprocessor(self, text: str, /) -> tuple[int | Value, str]:
        """``text`` as a critical expression, and what stands behind it. Raises EvaluationError."""
        try:
            return self._critical(text)
        except StatementError as error:
            raise EvaluationError(error.message) from error

    def _critical(self, text: str) -> tuple[Result, str]:
        warnings: list[tuple[str, str, int, int]] = []
        tokens = scan(text)
        program, position, _ = compile_expression(tokens, 0, warnings)
        for message, category, start, end in warnings:
            self.warn(message, category, start, end)
        self.critical = True
        try:
            return evaluate(program, self), text[tokens[position].start :].strip()
        finally:
            self.critical = False

    def known(self, program: Program, message: str, start: int, end: int) -> int:
        """A number that nasm wants in the first pass already; later passes repeat the complaint. Raises StatementError."""
        place = (self.line.file, self.line.line, message)
        if place not in self.layout.needed_early:
            value = evaluate(program, self)
            if isinstance(value, int):
                return value
            if value.unknown and self.first:
                self.layout.needed_early.add(place)
        raise StatementError(message, start, end)

    def special(self, name: str, start: int, end: int) -> None:
        if name not in self.format.specials:
            raise StatementError(f"symbol `{name}' not defined", start, end)

    # What directives change.

    def set_bits(self, bits: int) -> None:
        self.context.bits = bits
        self.bits_changed(bits)
        self.context_changed()

    def set_float_mode(self, rounding: str, denormals_are_zero: bool) -> None:
        """The statements parsed before can't be used for constants rounded another way."""
        self.float_mode = FloatMode(rounding, denormals_are_zero)
        self._choose_cache()

    def _choose_cache(self) -> None:
        mode = self.float_mode
        mode.characters = 8 if self.context.bits == 64 else 4
        plain = mode.rounding == "near" and not mode.denormals_are_zero
        self.statements = _statements[mode.characters] if plain else {}

    def context_changed(self) -> None:
        c = self.context
        self._choose_cache()
        self.context_key = (
            c.bits,
            c.default_relative,
            c.default_bound_relative,
            c.cpu,
            self.format.name,
            self.layout.encoder,
        )

    # Complaints.

    def warn(self, message: str, category: str, start: int = 0, end: int = 0) -> None:
        state = self.warning_states.get(category) or self.warning_states.get("all") or ""
        if state == "off" or (not state and category in OFF_BY_DEFAULT):
            return
        self.report("error" if state == "error" else "warning", message, self.line, start, end, category)

    def report_error(self, error: StatementError) -> None:
        self.report("error", error.message, self.line, error.start, error.end)

    def _report_statement(self, error: StatementError, statement: Statement) -> None:
        message = error.message
        if message.startswith("ELF format does not support segment") and self.format.name == "bin":
            message = message.replace("ELF", "binary output", 1)
        start, end = (error.start, error.end) if error.end else (statement.start, statement.end)
        self.report("error", message, self.line, start, end)

    # Statements.

    def run(self, lines: Iterable[SourceLine]) -> None:
        """Lay out every line."""
        for line in lines:
            self.line = line
            text = line.text
            statements = self.statements
            statement = statements.get(text)
            if statement is None:
                statement = parse_line(text, self.float_mode)
                statements[text] = statement
                if len(text) > MAX_CACHED_LINE:
                    self.layout.long_lines.append((statements, text))
            try:
                self._lay_out(statement)
            except StatementError as error:
                self._report_statement(error, statement)
            except PlaceError as error:
                self.report("error", error.message, line, statement.start, statement.end)
            except LabelError as error:
                self._report_label(error, statement.start, statement.end)

    def _lay_out(self, statement: Statement) -> None:
        for message, category, start, end in statement.warnings:
            self.warn(message, category, start, end)
        kind = statement.kind
        if statement.label is not None and (kind != EQU or statement.times is not None or statement.prefixes):
            self.define(statement, self.place.base, self.place.offset, True)
        self.lay_out_body(statement)

    def lay_out_body(self, statement: Statement) -> None:
        """What the statement does beside defining its label. Raises StatementError, PlaceError, LabelError."""
        kind = statement.kind
        if kind in (INSTRUCTION, PREFIX_ONLY):
            self._instruction(statement)
        elif kind == DATA:
            lay_out_data(self, statement)
        elif kind == DIRECTIVE:
            carry_out(self, statement.mnemonic, statement.file, statement.value)
        elif kind == RESERVE:
            layout_pseudo.reserve(self, statement)
        elif kind == EQU:
            layout_pseudo.equ(self, statement)
        elif kind == INCBIN:
            layout_pseudo.incbin(self, statement)
        elif kind == WRONG:
            assert statement.error
            self.times(statement)
            raise statement.error.again()
        elif statement.lone_label:
            message = "label alone on a line without a colon might be in error"
            self.warn(message, "label-orphan", statement.label_start, statement.label_end)

    def define(self, statement: Statement, base: Base | None, offset: int, scope: bool) -> None:
        """Give the statement's label its place; ``scope``: local labels behind it belong to it."""
        name = statement.label
        assert name is not None
        line, moved = self.line, self.labels.changed
        try:
            self.labels.define(name, base, offset, scope=scope, where=(line.report_file, line.report_line))
        except LabelError as error:
            self._report_label(error, statement.label_start, statement.label_end)
        if self.final and self.labels.changed > moved and statement.kind != EQU:
            self.final = False  # nasm tells of the first one alone
            message = f"label `{self.labels.full_name(name)}' changed during code generation"
            start, end = statement.label_start, statement.label_end
            self.report("error", message, line, start, end, "error=label-redef-late")

    def _report_label(self, error: LabelError, start: int, end: int) -> None:
        related: tuple[tuple[str, Span], ...] = ()
        if error.other is not None:
            place = Span(error.other.file, error.other.line)
            related = ((f"label `{error.other.name}' originally defined here", place),)
        self.report("error", error.message, self.line, start, end, related=related)

    def times(self, statement: Statement) -> int:
        """How often TIMES wants the statement. Raises StatementError."""
        if statement.times is None:
            return 1
        start, end = statement.start, statement.times_end
        value = self.known(statement.times, "non-constant argument supplied to TIMES", start, end)
        if value < 0:
            self.report("error", f"TIMES value {value} is negative", self.line, start, end)
            return 0
        return value

    def _instruction(self, statement: Statement) -> None:
        times = self.times(statement)
        start = self.place.offset
        if not times:
            self._built(statement)  # nasm evaluates the operands all the same: a name in them counts as used
            return
        encoding = self._encoding(statement, start)
        if encoding is None:
            return
        if statement.kind == PREFIX_ONLY and "lock" in statement.prefixes:
            self.warn("instruction is not lockable", "prefix-lock", statement.start, statement.end)
        for message in encoding.warnings:
            text, _, category = message.partition(" [-w+")
            self.warn(text, category.rstrip("]") or "other", statement.start, statement.end)
        if times == 1:
            self.write(encoding.data, encoding)
        elif not encoding.fixups and (statement.constant or not _depends_on_place(statement)):
            self.place.check_room(len(encoding.data) * times, f"TIMES {times}")
            self.write(encoding.data * times, None)
        else:
            self._repeat_encoding(statement, times, encoding)
        length = self.place.offset - start
        if length:
            self.note(start, length, times, INSTRUCTION)

    def _repeat_encoding(self, statement: Statement, times: int, encoding: Encoding) -> None:
        """TIMES of what differs from place to place; its operands are evaluated once, as nasm does."""
        self.check_repetition(times, len(encoding.data))
        instruction = self._built(statement)
        self.write(encoding.data, encoding)
        for _ in range(times - 1):
            again = self._encode(instruction, statement, self.place.offset)
            if again is None:
                return
            self.write(again.data, again)

    def check_repetition(self, times: int, size: int) -> None:
        """Raise PlaceError for more repetitions than can be placed one by one."""
        self.place.check_room(size * times, f"TIMES {times}")
        if times > MAX_REPEATED:
            raise PlaceError(
                f"TIMES {times} of something that depends on its place; at most {MAX_REPEATED:,} here"
            )

    def _built(self, statement: Statement) -> Instruction:
        if statement.constant and statement.instruction is not None:
            return statement.instruction
        operands: list[Operand] = [
            operand.build(self) if hasattr(operand, "build") else operand for operand in statement.operands
        ]
        span = Span("", 0, statement.start + 1, statement.end - statement.start)
        return Instruction(
            statement.mnemonic, tuple(operands), statement.prefixes, statement.decorators, span,
            statement.decorated_operand,
        )  # fmt: skip

    def _encoding(self, statement: Statement, offset: int) -> Encoding | None:
        if not statement.constant:
            return self._encode(self._built(statement), statement, offset)
        key = self.context_key
        found = statement.encodings.get(key)
        if found is None:
            found = self._encode(self._built(statement), statement, offset)
            if found is None:
                return None
            statement.encodings[key] = found
        return found  # type: ignore[return-value]

    def _encode(self, instruction: Instruction, statement: Statement, offset: int) -> Encoding | None:
        context = self.context
        context.offset = offset
        context.section = self.place.section
        try:
            return encode(instruction, context)
        except EncodeError as error:
            start, end = statement.start, statement.end
            if error.operand is not None and error.operand < len(instruction.operands):
                span = instruction.operands[error.operand].span
                if span is not None:
                    start, end = span.column - 1, span.column - 1 + span.length
            self.report("error", error.nasm_message, self.line, start, end, error=error)
            return Encoding(bytes(error.length)) if error.length and not statement.constant else None

    def narrowed(self, fixups: Sequence[Fixup]) -> Sequence[Fixup]:
        """nasm's out(): elf32 has 32-bit addresses, so that one of 64 bits is zero-extended from them."""
        if self.format.name != "elf32" or not any(f.size == 8 and not f.relative for f in fixups):
            return fixups
        kept: list[Fixup] = []
        for f in fixups:
            narrow = f.size == 8 and not f.relative
            if narrow:
                self.warn("64-bit unsigned relocation zero-extended from 32 bits", "zext-reloc")
            kept.append(Fixup(f.offset, 4, f.value, f.relative, f.end, f.signed) if narrow else f)
        return kept

    def write(self, data: bytes | bytearray, encoding: Encoding | None) -> None:
        """Append bytes, with the fixups of ``encoding``, to the current section."""
        place = self.place
        fixups = self.narrowed(encoding.fixups) if encoding is not None and encoding.fixups else ()
        if place.write(bytes(data), fixups):
            assert place.section is not None
            self.warn(self.format.ignoring(place.section), "other")

    def note(self, start: int, length: int, times: int, kind: int) -> None:
        """Remember what the current line put at ``start``."""
        section = self.place.section
        line = self.line
        if section is not None:
            self.rows.append((section.name, start, length, line.file, line.line))
        if self.records is not None:
            self.records.append(Record(line, section, start, length, times, kind))

    def warn_zeroing(self) -> None:
        """Reserved space got zeros, because its section has contents."""
        section = self.place.section
        if section is not None:
            self.warn(self.format.zeroing(section), "zeroing")


OFF_BY_DEFAULT = frozenset(
    (
        "float-denorm",
        "float-underflow",
        "label-redef",
        "phase",
        "pp-macro-redef-multi",
        "reloc-rel-dword",
        "user-off",
    )
)


def _depends_on_place(statement: Statement) -> bool:
    """Whether the encoding may differ between places although it has no fixup: a branch or RIP-relative operand."""
    return not statement.constant


__all__ = ["ERROR", "Layout", "Pass", "Record"]
