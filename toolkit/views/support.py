"""The system calls of the emulated kernel with their level of support, from their declarations."""

from __future__ import annotations

from collections import Counter

from toolkit.kernel.syscalls import SupportRow, support_table
from toolkit.personality.linux_i386 import PERSONALITY as I386
from toolkit.personality.linux_x86_64 import PERSONALITY as X86_64

LEVELS = {
    "full": "as on Linux",
    "partial": "in part, see the note",
    "refused": "refused, with the errno of a Linux that is configured without it",
    "missing": "ENOSYS, and the run is told to be broken",
}


def support_text() -> str:
    """Markdown: what the levels mean, how many calls have each, and a table for each ABI by number."""
    parts = ["# System calls\n\n"]
    parts += [f"* **{level}**: {meaning}\n" for level, meaning in LEVELS.items()]
    for personality in (X86_64, I386):
        rows = support_table(personality)
        counts = Counter(row.support for row in rows)
        summary = ", ".join(f"{counts[level]} {level}" for level in LEVELS if counts[level])  # type: ignore[index]
        parts.append(f"\n## Linux {personality.name}: {summary}\n\n")
        parts.append("| number | name | support | family | note |\n|---:|---|---|---|---|\n")
        parts += [_line(row) for row in rows]
    return "".join(parts)


def _line(row: SupportRow) -> str:
    return f"| {row.number} | {row.name} | {row.support} | {row.family} | {row.note} |\n"
