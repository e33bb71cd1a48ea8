"""Text of a submission made safe to look at."""

from __future__ import annotations


def visible(text: object) -> str:
    """The text with its control characters written out, so that it can't imitate the report around it or act on a terminal."""
    return "".join(c if c == "\n" or c.isprintable() else f"\\x{ord(c):02x}" for c in str(text))
