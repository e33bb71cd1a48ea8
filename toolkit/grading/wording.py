"""How a report writes what a check compares: areas, numbers, system calls, and where two texts part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toolkit.grading.areas import map_line
from toolkit.grading.checks import Regex
from toolkit.grading.evidence import SyscallRecord
from toolkit.grading.explain import call_text

if TYPE_CHECKING:
    from toolkit.kernel.mm.snapshot import AreaRow

SHOWN_AREAS = 12  # lines of a map in a report
SHOWN_CALLS = 8


def show_place(place: int | range | None) -> str:
    """An address, or the first and the last of several; None: the processor gave none."""
    if place is None:
        return "an address that is not canonical"
    return f"{place.start:#x} to {place.stop - 1:#x}" if isinstance(place, range) else f"{place:#x}"


def show_number(value: int) -> str:
    """In decimal, and in hexadecimal as a register holds it."""
    return f"{value} ({value & ((1 << 64) - 1):#x})"


def show_areas(areas: Sequence[AreaRow]) -> str:
    """Lines of a map, of a long one the first."""
    lines = [map_line(area) for area in areas[:SHOWN_AREAS]]
    if len(areas) > SHOWN_AREAS:
        lines.append(f"… and {len(areas) - SHOWN_AREAS} more")
    return "\n".join(lines) or "no area"


def show_difference(wanted: bytes | Regex, data: bytes) -> str:
    """Where two texts part, as the end of a sentence."""
    if isinstance(wanted, Regex):
        return ""
    if not data:
        return ": it is empty"
    if data.startswith(wanted):
        more = len(data) - len(wanted)
        return f": {more} byte{'s' * (more > 1)} too many"
    if wanted.startswith(data):
        less = len(wanted) - len(data)
        if wanted[len(data) :] == b"\n":
            return ": the end of the last line (10) is missing"
        return f": the last {less} bytes are missing" if less > 1 else ": the last byte is missing"
    offset = first_difference(wanted, data)
    line = wanted.count(b"\n", 0, offset) + 1
    return f" from byte {offset} on" + (f" (line {line})" if line > 1 else "")


def first_difference(wanted: bytes, data: bytes) -> int:
    """The offset in bytes at which two texts part: the shorter one's length when that is the other's beginning."""
    pairs = enumerate(zip(wanted, data, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(wanted), len(data)))


def describe_call(
    name: str, args: Sequence[object], result: int | None, error: str | None, succeeds: bool
) -> str:
    """A system call as it was asked for: ``write(1, …) = 5``."""
    words = [show_argument(argument) for argument in args]
    end = (
        f" = {show_argument(result) if result > 0xFFFF else result}"
        if result is not None
        else f" = -1 {error}"
        if error
        else " (succeeding)"
        if succeeds
        else ""
    )
    return f"{name}({', '.join(words)}{', …' if len(words) < 6 else ''})".replace("(, …)", "(…)") + end


def show_argument(argument: object) -> str:
    """An argument of a system call; None and ...: any."""
    if argument is None or argument is ...:
        return "…"
    return str(argument) if isinstance(argument, int) and abs(argument) < 10 else f"{argument:#x}"


def numbers_of(call: SyscallRecord) -> str:
    """A call that was not written out."""
    result = "?" if call.result is None else call.result
    return f"{call.name}({', '.join(map(show_argument, call.arguments))}) = {result}"


def show_calls(calls: Sequence[SyscallRecord]) -> str:
    """System calls that were made, of many the first."""
    lines = [call_text(call) if call.text else numbers_of(call) for call in calls[:SHOWN_CALLS]]
    if len(calls) > SHOWN_CALLS:
        lines.append(f"… and {len(calls) - SHOWN_CALLS} more")
    return "\n".join(lines) or "no such call"
