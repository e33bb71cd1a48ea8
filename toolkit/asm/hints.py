"""What to tell a student for each of nasm's messages."""

from __future__ import annotations
from collections.abc import Iterable


def explain_preprocessor(nasm_message: str, line: str, names: Iterable[str]) -> tuple[str, str]:
    return nasm_message, ""
