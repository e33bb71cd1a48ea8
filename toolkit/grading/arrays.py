"""Arrays of numbers that a program is given or leaves behind: bytes to it, numbers in the report."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from toolkit.grading.checks import LONGEST_SHOWN, show_bytes


class Numbers(bytes):
    """Little-endian numbers one behind the other. ``kind``: of each, as `struct` names it (``Q``, ``q``, ``I``, ``i`` …)."""

    kind = "Q"


class WritableNumbers(bytearray):
    """The same in memory that the program may write."""

    kind = "Q"


def numbers(values: Sequence[int], kind: str = "Q") -> Numbers:
    """An array for a call or an expectation. ``kind``: ``Q`` and ``q`` of 8 bytes, ``I`` and ``i`` of 4, small letters signed."""
    made = Numbers(struct.pack(f"<{len(values)}{kind}", *values))
    made.kind = kind
    return made


def writable_numbers(values: Sequence[int], kind: str = "Q") -> WritableNumbers:
    """An array that a function is to change."""
    made = WritableNumbers(numbers(values, kind))
    made.kind = kind
    return made


def show_data(data: bytes | bytearray, like: bytes | bytearray | None = None) -> str:
    """As `show_bytes`, or ``[1, 2, 3]`` if ``like`` (``data`` itself unless given) is an array of numbers that it can be read as."""
    kind = getattr(data if like is None else like, "kind", None)
    if kind is None or len(data) % struct.calcsize(kind):
        return show_bytes(bytes(data))
    words = [str(number) for (number,) in struct.iter_unpack(f"<{kind}", data)]
    text = ", ".join(words)
    if len(text) <= LONGEST_SHOWN:
        return f"[{text}]"
    shortened = text[:LONGEST_SHOWN].rpartition(", ")[0]
    return f"[{shortened}, …] ({len(words)} numbers in all)"
