"""The counts in the assembler's README: ``python -m tests.asm.feature_table`` writes them, a test holds them true."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "toolkit" / "asm" / "README.md"
START, END = "<!-- counts: written by tests/asm/feature_table.py -->\n", "<!-- end of counts -->"


def rows() -> Iterator[tuple[str, int]]:
    """What is compared, and how many of it."""
    from toolkit.asm.instructions import forms, mnemonics

    yield "mnemonics of the instruction table", len(mnemonics())
    yield "forms of them", sum(len(forms(name)) for name in mnemonics())
    differential = ROOT / "tests" / "differential"
    for path in sorted((differential / "asm").glob("*.cases"), key=_chapter):
        heads = re.findall(r"^--- ([^:\n]*):", path.read_text("latin-1"), re.MULTILINE)
        chapter, _, title = path.stem.partition("_")
        yield (
            f"cases of manual {chapter}, {title.replace('_', ' ')}",
            sum(len(head.split()) for head in heads),
        )
    preprocess = differential / "preprocess"
    yield "cases of the preprocessor (nasm -E)", _titles(sorted(preprocess.glob("*.txt")))
    yield "programs of macros, in three formats", 3 * _titles(sorted((preprocess / "objects").glob("*.txt")))
    listed = (differential / "link" / "cases.txt").read_text(encoding="utf-8").splitlines()
    yield "links compared with ld's", len([line for line in listed if line and not line.startswith("#")])
    tables = ("test_link_rows.py", "test_link_relocatable.py", "test_link_symbols.py")
    rules = "".join((differential / name).read_text(encoding="utf-8") for name in tables)
    yield "links of small objects, each for a rule", len(re.findall(r'^    "[^"]*": \(', rules, re.MULTILINE))


def _chapter(path: Path) -> list[int]:
    return [int(number) for number in path.stem.partition("_")[0].split(".")]


def _titles(paths: list[Path]) -> int:
    return sum(len(re.findall(r"^=== ", path.read_text("latin-1"), re.MULTILINE)) for path in paths)


def table() -> str:
    lines = [f"| {what} | {count:,} |\n" for what, count in rows()]
    return "".join(["| compared | how many |\n|---|---:|\n", *lines])


def written() -> str:
    """The README with the counts of today."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return before + START + table() + END + after


if __name__ == "__main__":
    README.write_text(written(), encoding="utf-8")
    sys.stdout.write(table())
