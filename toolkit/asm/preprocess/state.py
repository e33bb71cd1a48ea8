"""What one run of the preprocessor keeps: the files it reads, open conditions, definitions being read; and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from toolkit.asm.diagnostics import Diagnostic, MacroFrame, Span
from toolkit.asm.preprocess.macros import Invocation, MacroLine, MultiLineMacro
from toolkit.asm.preprocess.tokens import BLANKS, NUMBER, WHITE, Token
from toolkit.asm.source import SourceFile

if TYPE_CHECKING:
    from toolkit.asm.statement import Value

MAX_LINES = 1_200_000  # lines looked at in one pass; nasm: 2,000,000,000
MAX_WORK = 40_000_000  # tokens expanded in one pass
MAX_CONDITIONS = 10_000
MAX_INCLUDES = 200
MAX_CONTEXTS = 10_000
MAX_INDIRECTIONS = 50
MAX_TRAIL = 20  # macro calls shown in one diagnostic


class EvaluationError(Exception):
    """An expression can't be evaluated; the message is nasm's, ``help`` for the student."""

    def __init__(self, message: str, help: str = "", student_message: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.student_message = student_message


class Evaluate(Protocol):
    """Evaluates a critical expression in the state of the present pass.

    Returns the value and the text left behind it ("" when all was read). Raises ``EvaluationError``.
    """

    def __call__(self, text: str, /) -> tuple[int | Value, str]: ...


class FatalError(Exception):
    """Preprocessing can't go on; the diagnostic was reported."""


class SourceLine(NamedTuple):
    """One line for the assembler.

    ``text``: macros expanded, comment removed. ``file``/``line``: where it is written (inside a macro: in its body), what
    __LINE__ and debug information mean. ``report_file``/``report_line``: where messages put it (the outermost macro
    call). ``trail``: the macros it came through, innermost first. ``original``: the source line at the reported place.
    ``listed``: the number of the listing's line it stands on, when there is one.
    """

    text: str
    file: str
    line: int
    report_file: str
    report_line: int
    trail: tuple[MacroFrame, ...]
    original: str
    listed: int = 0

    def span(self, column: int = 1, length: int = 0) -> Span:
        """A span of the reported line; ``column`` is of ``text`` and falls back to the line's first word if they differ."""
        if not self.original.startswith(self.text):
            stripped = self.original.lstrip(BLANKS)
            column = len(self.original) - len(stripped) + 1
            length = len(stripped.partition(";")[0].rstrip())
        return Span(self.report_file, self.report_line, column, length)


class ListedLine(NamedTuple):
    """One line of a listing. ``level`` counts the files, macros and repetitions around it; ``kept``: only for a macro's body.

    ``number`` is that of its first part and ``line``, which messages name, that of its last, where backslashes joined several.
    """

    level: int
    file: str
    number: int
    text: str
    kept: bool
    line: int


class ConditionState:
    """The states of one %if … %endif (nasm's ``cond_state``)."""

    IF_TRUE, IF_FALSE, ELSE_TRUE, ELSE_FALSE, DONE, NEVER = range(6)
    EMITTING = (IF_TRUE, ELSE_TRUE)


@dataclass(slots=True)
class Condition:
    """One open %if: its state, and where it stands."""

    state: int
    name: str
    file: str
    line: int

    @property
    def emitting(self) -> bool:
        return self.state in ConditionState.EMITTING


@dataclass(slots=True, eq=False)
class InputFile:
    """A file being read. ``shift`` and ``increment``: how %line renumbers it; ``invocation``: the innermost expansion."""

    source: SourceFile
    name: str
    position: int = 0
    base_line: int = 0
    base_position: int = 0
    increment: int = 1
    conditions: list[Condition] = field(default_factory=list)
    invocation: Invocation | None = None

    def number(self, physical: int) -> int:
        return self.base_line + (physical - self.base_position) * self.increment


@dataclass(slots=True, eq=False)
class Definition:
    """A %macro or %rep whose body is being read; ``outer``: the definition around a %rep."""

    macro: MultiLineMacro
    repeat: int
    body: list[MacroLine] = field(default_factory=list)
    nested_macros: int = 0
    nested_repeats: int = 0


class Reporter(Protocol):
    """Receives diagnostics in the order they arise."""

    def __call__(self, diagnostic: Diagnostic, /) -> None: ...


@dataclass(slots=True)
class StackFrame:
    """What %arg and %local count from (manual section 4.8)."""

    size: int = 4
    pointer: str = "ebp"
    argument: int = 8
    local: int = 0


def number_text(tokens: Sequence[Token], index: int) -> str | None:
    """The text of the number at ``index``, if one is there."""
    return tokens[index][1] if index < len(tokens) and tokens[index][0] == NUMBER else None


def is_blank(tokens: Sequence[Token]) -> bool:
    """Whether there is nothing but space."""
    return all(kind == WHITE for kind, _ in tokens)
