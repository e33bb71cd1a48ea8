"""hints.md: one ``## `` heading a step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Hint:
    """One step: its heading, and its text in Markdown."""

    heading: str
    text: str


def read_hints(folder: Path) -> tuple[Hint, ...]:
    """The hints of an exercise's folder in order; none when it has no hints.md."""
    try:
        content = (folder / "hints.md").read_text(encoding="utf-8")
    except OSError:
        return ()
    hints: list[Hint] = []
    heading, lines = "", list[str]()
    in_code = False
    for line in content.splitlines():
        in_code ^= line.lstrip().startswith("```")
        if line.startswith("## ") and not in_code:
            if heading:
                hints.append(Hint(heading, "\n".join(lines).strip()))
            heading, lines = line[3:].strip(), []
        else:
            lines.append(line)
    if heading:
        hints.append(Hint(heading, "\n".join(lines).strip()))
    return tuple(hints)
