"""What a grader is written with: ``@check``, ``fail``, ``regex``, and what an unmet expectation raises."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from toolkit.grading.categories import Category
from toolkit.grading.evidence import Location
from toolkit.grading.formats import VISIBILITIES

if TYPE_CHECKING:
    from toolkit.grading.program import Program


class Failure(Exception):  # noqa: N818 - the word graders know
    """The submission does not do what a check expects.

    ``expected`` and ``actual`` are text for the reader, ``explanation`` lines that say why it came so,
    ``location`` the place in the submission where it shows.
    """

    def __init__(
        self,
        message: str,
        *,
        expected: str | None = None,
        actual: str | None = None,
        help: str | None = None,
        location: Location | None = None,
        explanation: Sequence[str] = (),
        category: Category = Category.OTHER,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.actual = actual
        self.help = help
        self.location = location
        self.explanation = tuple(explanation)
        self.category = category


class BrokenCheck(Exception):  # noqa: N818 - one of the four outcomes
    """No verdict can be given, and the submission is not to blame."""


class GraderError(BrokenCheck):
    """The grader asks for something that doesn't exist."""


@dataclass(eq=False)
class Check:
    """One graded statement about a submission. ``depends_on`` lists checks without which it makes no sense."""

    title: str
    function: Callable[[Program], object]
    points: float = 1
    depends_on: tuple[Check, ...] = ()
    visibility: str = "visible"
    help: str = field(default="")

    def __call__(self, program: Program) -> object:
        return self.function(program)


def check(
    title: str,
    points: float = 1,
    depends_on: Check | Sequence[Check] | None = None,
    visibility: str = "visible",
) -> Callable[[Callable[[Program], object]], Check]:
    """Make a function of a program a check (see README.md). Raises GraderError for arguments that make no sense."""
    if callable(title):
        raise GraderError('@check needs a title: @check("prints the file")')
    if visibility not in VISIBILITIES:
        raise GraderError(f"visibility {visibility!r} is none of {', '.join(VISIBILITIES)}")
    if points < 0:
        raise GraderError(f"check {title!r}: points can't be negative")
    needed = (depends_on,) if isinstance(depends_on, Check) else tuple(depends_on or ())
    for other in needed:
        if not isinstance(other, Check):
            raise GraderError(f"check {title!r}: depends_on takes checks, not {other!r}")

    def decorate(function: Callable[[Program], object]) -> Check:
        help_text = " ".join((inspect.getdoc(function) or "").split())
        return Check(title, function, points, needed, visibility, help_text)

    return decorate


def fail(
    message: str,
    *,
    expected: object = None,
    actual: object = None,
    help: str | None = None,
    location: Location | None = None,
) -> NoReturn:
    """Fail the check that is running. Bytes and numbers are shown as expectations show them."""
    raise Failure(
        message,
        expected=None if expected is None else shown(expected),
        actual=None if actual is None else shown(actual),
        help=help,
        location=location,
    )


@dataclass(frozen=True)
class Regex:
    """A pattern over bytes, as Python's ``re`` reads it; ``.`` does not match a newline."""

    text: str
    pattern: re.Pattern[bytes] = field(compare=False)

    def search(self, text: str | bytes) -> re.Match[bytes] | None:
        """As ``re.search``; text is encoded as UTF-8."""
        return self.pattern.search(text.encode() if isinstance(text, str) else text)


def regex(pattern: str | bytes) -> Regex:
    """A pattern where an expectation takes bytes. Raises GraderError when it can't be compiled."""
    data = pattern.encode() if isinstance(pattern, str) else pattern
    try:
        return Regex(data.decode(errors="backslashreplace"), re.compile(data))
    except re.error as error:
        raise GraderError(f"regex {pattern!r}: {error}") from error


LONGEST_SHOWN = 2_000  # characters of one value in a report
SHOWN_BEFORE, SHOWN_BEHIND = 40, 120  # bytes around the place where two texts part


def shown(value: object) -> str:
    """A value as reports print it: bytes as a quoted line with escapes, so that nothing in it can act on a terminal."""
    if isinstance(value, Regex):
        return f"matches /{value.text}/"
    if isinstance(value, bytes):
        return show_bytes(value)
    if isinstance(value, str):
        return value
    return repr(value)


def show_bytes(data: bytes) -> str:
    """``"text\\n"`` with \\xNN for what isn't printable UTF-8; cut short when it is long."""
    shortened = data[: LONGEST_SHOWN * 4].decode(errors="surrogateescape")[:LONGEST_SHOWN]
    escaped = "".join(_show_character(character) for character in shortened)
    whole = len(shortened.encode(errors="surrogateescape")) == len(data)
    return f'"{escaped}"' if whole else f'"{escaped}"… ({len(data)} bytes in all)'


def show_around(data: bytes, offset: int) -> str:
    """As `show_bytes`, but of a long text only what is near ``offset``."""
    start = max(0, offset - SHOWN_BEFORE)
    part = data[start : start + SHOWN_BEFORE + SHOWN_BEHIND]
    if start == 0 and len(part) == len(data):
        return show_bytes(data)
    before, behind = ("…" if start else ""), ("…" if start + len(part) < len(data) else "")
    return f"{before}{show_bytes(part)}{behind} ({len(data)} bytes in all)"


_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", '"': '\\"', "\\": "\\\\"}


def _show_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that isn't UTF-8, as surrogateescape keeps it
        return f"\\x{number - 0xDC00:02x}"
    if character.isprintable():
        return character
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{{{number:x}}}"
