"""Small programs that walk nasm's manual, assembled by us and by nasm 2.16.01: same bytes, same verdict, same complaint."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolkit.asm import assemble
from toolkit.asm.source import SourceTree

FOLDER = Path(__file__).parent / "asm"
DATA = b"0123456789"  # e.dat, which incbin takes in


@dataclass(frozen=True)
class Case:
    title: str
    format: str
    source: str


def read_cases(path: Path) -> list[Case]:
    """The cases of a file: each starts at ``--- formats: title``."""
    blocks = re.split(r"^--- ", path.read_text("latin-1"), flags=re.MULTILINE)[1:]
    cases = []
    for block in blocks:
        head, _, source = block.partition("\n")
        formats, _, title = head.partition(": ")
        cases += [Case(title, format, source) for format in formats.split()]
    return cases


def nasm(case: Case, folder: Path) -> tuple[bytes | None, list[str]]:
    """(output or None, messages) of the real nasm."""
    (folder / "t.asm").write_text(case.source, "latin-1")
    output = folder / "t.o"
    output.unlink(missing_ok=True)
    command = ["nasm", "-f", case.format, "t.asm", "-o", "t.o"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=20)
    messages = [line for line in run.stderr.split("\n") if re.search(r"(error|warning|fatal):", line)]
    return (output.read_bytes() if run.returncode == 0 else None), messages


def ours(case: Case) -> tuple[bytes | None, list[str]]:
    tree = SourceTree.from_memory({"t.asm": case.source.encode("latin-1"), "e.dat": DATA})
    result = assemble("", name="t.asm", tree=tree, format=case.format)
    messages = [d.render_nasm().split("\n")[0] for d in result.diagnostics]
    return result.object, [message for message in messages if message]  # notes are ours alone


def wording(message: str) -> str:
    """A message without its place, warning class and token number."""
    text = re.split(r"(?:error|warning|fatal): ", message, maxsplit=1)[-1]
    text = re.sub(r"after \d+ passes; stalled for \d+", "", text)
    return re.sub(r"( \[-w.*|, got \d+)$", "", text)


def difference(case: Case, folder: Path) -> str:
    """What differs, or "" when nothing does."""
    expected, their_messages = nasm(case, folder)
    actual, our_messages = ours(case)
    where = f"{case.format}: {case.source!r}\n  nasm: {their_messages}\n  ours: {our_messages}"
    if (expected is None) != (actual is None):
        return f"verdict differs for {where}"
    if expected is not None:
        if expected != actual:
            return f"bytes differ for {where}"
        missing = set(map(wording, their_messages)) ^ set(map(wording, our_messages))
        return f"warnings differ for {where}" if missing else ""
    first = next((m for m in their_messages if "warning:" not in m), "")
    if first and wording(first) not in map(wording, our_messages):
        return f"message differs for {where}"
    return ""


def differences(path: Path, folder: Path, step: int) -> list[str]:
    """What differs in every ``step``-th case of a file."""
    (folder / "e.dat").write_bytes(DATA)
    return [text for case in read_cases(path)[::step] if (text := difference(case, folder))]


FILES = pytest.mark.parametrize("path", sorted(FOLDER.glob("*.cases")), ids=lambda path: path.stem)


@pytest.mark.differential
@FILES
def test_some_of_the_manual(path: Path, tmp_path: Path) -> None:
    found = differences(path, tmp_path, 10)
    assert not found, "\n".join(found)


@pytest.mark.differential
@pytest.mark.slow
@FILES
def test_manual(path: Path, tmp_path: Path) -> None:
    found = differences(path, tmp_path, 1)
    assert not found, "\n".join(found)


def test_enough_cases() -> None:
    """The manual is walked widely: this number only grows."""
    assert sum(len(read_cases(path)) for path in FOLDER.glob("*.cases")) >= 2700
