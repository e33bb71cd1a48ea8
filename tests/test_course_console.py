"""What a README shows of a terminal is what one sees there: each ``console`` block of an exercise is run again.

A block is run with bash, in a folder that holds the reference solution's files, the starter as ``starter.asm``, what lies in
``files/``, and each ``nasm`` block of the README whose first line is ``; NAME.asm``. A line ``…`` stands for lines left out.
Where the Russian README shows a terminal, it is the same one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_course import COURSE
from toolkit.grading.exercise import Exercise

BLOCK = re.compile(r"^```(console|nasm)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = "…"
EXERCISES = {
    each.identity: each
    for each in COURSE.exercises
    if "```console" in (each.folder / "README.md").read_text()
}
pytestmark = pytest.mark.skipif(
    os.name != "posix" or shutil.which("bash") is None, reason="the blocks are written for bash"
)


def blocks(readme: Path, kind: str) -> list[str]:
    return [found[2] for found in BLOCK.finditer(readme.read_text(encoding="utf-8")) if found[1] == kind]


def prepare(exercise: Exercise, folder: Path) -> None:
    """Lay out what the commands find in their directory."""
    for path in sorted((exercise.folder / "reference").iterdir()):
        shutil.copy(path, folder)
    shutil.copy(exercise.folder / exercise.source_names[0], folder / "starter.asm")
    if (exercise.folder / "files").is_dir():
        shutil.copytree(exercise.folder / "files", folder, dirs_exist_ok=True)
    for text in blocks(exercise.folder / "README.md", "nasm"):
        named = re.match(r"; (\w+\.asm)\n", text)
        if named:
            (folder / named[1]).write_text(text, encoding="utf-8")


def seen(block: str, folder: Path) -> str:
    """The block as it would look now: each line after a prompt is run, its output put below."""
    binaries = folder / ".bin"
    binaries.mkdir(exist_ok=True)
    command = binaries / "toolkit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m toolkit "$@"\n')
    command.chmod(0o755)
    root = str(Path(__file__).resolve().parents[1])
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "PYTHONPATH": root, "LANG": "C.UTF-8", "HOME": str(folder)}
    lines = []
    for line in block.splitlines():
        if line.startswith("$ "):
            ran = subprocess.run(
                ["bash", "-c", f"exec 2>&1; {line[2:]}"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=60,
                check=False,
            )
            lines += [line, *(each.rstrip() for each in ran.stdout.decode().splitlines())]
    return "\n".join(lines) + "\n"


def matches(shown: str, now: str) -> bool:
    """Whether the text shown is what is seen now, but for the lines left out."""
    lines = [
        "(?:.*\n)*?" if line.strip() == LEFT_OUT else re.escape(line) + "\n" for line in shown.splitlines()
    ]
    return re.fullmatch("".join(lines), now) is not None


# The default suite looks at one chapter, CI at all.
@pytest.mark.parametrize(
    "identity",
    [
        pytest.param(identity, marks=() if EXERCISES[identity].chapter == "ch04" else pytest.mark.slow)
        for identity in sorted(EXERCISES)
    ],
)
def test_a_terminal_shows_what_the_readme_shows(identity: str, tmp_path: Path) -> None:
    exercise = EXERCISES[identity]
    prepare(exercise, tmp_path)
    shown = blocks(exercise.folder / "README.md", "console")
    for block in shown:
        now = seen(block, tmp_path)
        assert matches(block, now), f"it shows\n{block}\nbut now one sees\n{now}"
    russian = exercise.folder / "README.ru.md"
    if russian.exists():
        assert blocks(russian, "console") == shown


def test_the_course_shows_terminals() -> None:
    assert len(EXERCISES) >= 15
