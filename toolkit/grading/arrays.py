"""Arrays of numbers that a program is given or leaves behind: bytes to it, numbers in the report."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from toolkit.grading.checks import show_bytes

MOST_NUMBERS = 40  # of an array in a report


class Numbers(bytes):
    """Little-endian numbers one behind the other. ``kind``: of each, as `struct` names it (``Q``, ``q``, ``I``, ``i`` …)."""

    kind = "Q"


class Hexadecimal(int):
    """A number that a call is shown with in hexadecimal."""

    def __str__(self) -> str:
        return hex(self)


class WritableNumbers(bytearray):
    """The same in memory that the program may write."""

    kind = "Q"


def numbers(values: Sequence[int], kind: str = "Q") -> Numbers:
    """An array for a call or an expectation. ``kind``: ``Q`` and ``q`` of 8 bytes, ``I`` and ``i`` of 4, small letters signed;

    ``B`` of one, which are shown in hexadecimal.
    """
    made = Numbers(struct.pack(f"<{len(values)}{kind}", *values))
    made.kind = kind
    return made


def writable_numbers(values: Sequence[int], kind: str = "Q") -> WritableNumbers:
    """An array that a function is to change."""
    made = WritableNumbers(numbers(values, kind))
    made.kind = kind
    return made


def show_data(data: bytes | bytearray) -> str:
    """As `show_bytes`, or ``[1, 2, 3]`` of an array of numbers."""
    kind = getattr(data, "kind", None)
    return show_bytes(bytes(data)) if kind is None else _show_numbers(bytes(data), kind, 0)


def show_both(wanted: bytes, actual: bytes) -> tuple[str, str]:
    """What was expected and what is there, as the former is written; of long arrays the part from where they differ."""
    kind = getattr(wanted, "kind", None)
    if kind is None or len(actual) % struct.calcsize(kind):
        return show_bytes(wanted), show_bytes(actual)
    differing = (index for index, pair in enumerate(zip(wanted, actual, strict=False)) if pair[0] != pair[1])
    first = max(0, next(differing, 0) // struct.calcsize(kind) - 2)
    return _show_numbers(wanted, kind, first), _show_numbers(actual, kind, first)


def _show_numbers(data: bytes, kind: str, first: int) -> str:
    if kind == "B":
        words = [f"{byte:02x}" for byte in data]
    else:
        words = [str(number) for (number,) in struct.iter_unpack(f"<{kind}", data)]
    between = " " if kind == "B" else ", "
    if len(words) <= MOST_NUMBERS:
        return f"[{between.join(words)}]"
    shown = between.join(words[first : first + MOST_NUMBERS])
    return f"[… {shown} …] (from number {first} of {len(words)} on, counted from 0)"
