"""Grading: exercises, checks, and reports. A grader imports its vocabulary from here (see README.md)."""

from __future__ import annotations

from typing import Any

from toolkit.grading.arrays import Hexadecimal, numbers, writable_numbers
from toolkit.grading.checks import Check, Failure, check, fail, regex
from toolkit.grading.given import given

__all__ = [
    "Check",
    "Failure",
    "Hexadecimal",
    "check",
    "fail",
    "given",
    "numbers",
    "regex",
    "strategies",
    "writable_numbers",
]


def __getattr__(name: str) -> Any:
    """``strategies`` is Hypothesis's module, imported when a grader first asks for it."""
    if name != "strategies":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import hypothesis.strategies

    return hypothesis.strategies
