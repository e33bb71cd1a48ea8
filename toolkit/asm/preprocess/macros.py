"""Single-line and multi-line macros as values, and the tables that hold them.

Macros are immutable, so one table of the standard macros is built once and copied into every pass.
Names are filed by their lower-case form; among the entries of one name the newest comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.asm.diagnostics import MacroFrame
from toolkit.asm.preprocess.tokens import NUMBER, OTHER, Tokens

if TYPE_CHECKING:
    from toolkit.asm.preprocess.engine import Engine

MANY = 1 << 31  # nasm's INT_MAX: "%macro name 1-*"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a single-line macro and how its argument is prepared (manual section 4.1.2)."""

    name: str = ""
    evaluate: bool = False  # =name
    stringify: bool = False  # &name
    keep_string: bool = False  # &&name
    keep_space: bool = False  # !name
    greedy: bool = False  # name+
    optional: bool = False
    variadic: bool = False


Function = Callable[["Engine", list[Tokens], str], Tokens]


@dataclass(frozen=True, slots=True, eq=False)
class SingleLineMacro:
    """``%define`` and kin, or a preprocessor function such as ``%eval``."""

    name: str
    expansion: Tokens = ()
    parameters: tuple[Parameter, ...] = ()
    case_sensitive: bool = True
    alias: bool = False
    function: Function | None = None

    @property
    def greedy(self) -> bool:
        return bool(self.parameters) and (self.parameters[-1].greedy or self.parameters[-1].variadic)

    @property
    def fewest(self) -> int:
        """The smallest number of arguments it takes."""
        count = len(self.parameters)
        while count > 1 and self.parameters[count - 1].optional:
            count -= 1
        return count

    def takes(self, count: int) -> bool:
        return count >= self.fewest and (self.greedy or count <= len(self.parameters))

    def matches(self, name: str) -> bool:
        return self.name == name if self.case_sensitive else self.name.lower() == name.lower()


@dataclass(frozen=True, slots=True)
class MacroLine:
    """One line of a macro's or a repetition's body, and where it is written."""

    tokens: Tokens
    file: str
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class MultiLineMacro:
    """``%macro`` … ``%endmacro``; a ``%rep`` body is one without a name."""

    name: str
    fewest: int
    most: int
    case_sensitive: bool
    greedy: bool
    no_list: bool
    recursive: bool
    defaults: tuple[Tokens, ...]
    body: tuple[MacroLine, ...]
    file: str
    line: int
    captures_label: bool = False

    def matches(self, name: str) -> bool:
        return self.name == name if self.case_sensitive else self.name.lower() == name.lower()

    def takes(self, count: int) -> bool:
        return self.fewest <= count and (self.greedy or count <= self.most)

    def overlaps(self, fewest: int, most: int, greedy: bool) -> bool:
        """Whether some number of arguments fits both it and the given range."""
        return (self.fewest <= most or greedy) and (fewest <= self.most or self.greedy)


SingleLineTable = dict[str, tuple[SingleLineMacro, ...]]
MultiLineTable = dict[str, tuple[MultiLineMacro, ...]]


@dataclass(slots=True)
class Context:
    """An entry of the context stack (``%push``)."""

    name: str | None
    number: int
    macros: SingleLineTable = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Invocation:
    """One running expansion of a macro, or of a repetition (``macro.name`` empty).

    ``arguments[0]`` is the label before the call (%00). ``remaining``: how many more rounds of a repetition follow.
    ``macro_call``: the innermost real macro call it belongs to, itself if it is one. ``ended``: left by %exitrep or
    %exitmacro, the rest of its lines only closes conditions. ``visible``: part of the trail of diagnostics.
    ``reported_at``: where messages about the line that called it belong, and that line's own trail.
    """

    macro: MultiLineMacro
    lines: tuple[MacroLine, ...]
    arguments: list[Tokens]
    called_as: str
    unique: int
    enclosing: Invocation | None
    call_file: str
    call_line: int
    reported_at: tuple[str, int, tuple[MacroFrame, ...]]
    visible: bool
    rotation: int = 0
    remaining: int = 0
    position: int = 0
    ended: bool = False
    macro_call: Invocation | None = None

    @property
    def left(self) -> bool:
        """Whether %exitmacro ended the macro call it belongs to."""
        return self.macro_call is not None and self.macro_call.ended

    @property
    def count(self) -> int:
        return len(self.arguments) - 1

    def argument(self, number: int) -> Tokens | None:
        """Argument ``number`` (from 1) after rotation, 0 the captured label; None beyond the last."""
        if number == 0:
            return self.arguments[0]
        if not 0 < number <= self.count:
            return None
        return self.arguments[(number - 1 + self.rotation) % self.count + 1]


def number_tokens(value: int) -> Tokens:
    """A number as nasm writes it into an expansion: signed 64-bit decimal, a minus sign as a token of its own."""
    value &= (1 << 64) - 1
    if value >> 63:
        return ((OTHER, "-"), (NUMBER, str((1 << 64) - value)))
    return ((NUMBER, str(value)),)
