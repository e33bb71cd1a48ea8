"""What every exercise promises its readers: the README tells the checks and their points, and nothing needed is missing."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from toolkit.grading.exercise import Course, Exercise
from toolkit.grading.hints import read_hints
from toolkit.grading.runner import Choice, grade
from toolkit.grading.sandbox import WorkerSandbox
from toolkit.grading.verify import caught_by

COURSE = Course(Path(__file__).resolve().parents[1] / "exercises")
EXERCISES = {exercise.identity: exercise for exercise in COURSE.select(())}
TRANSLATED = ("ch04", "mem")
WIDEST = 200  # characters of a README's line
WHERE_CHECKED = {
    "README.md": r"^## What is checked \((\d+) points?\)$",
    "README.ru.md": r"^## Что проверяется \((\d+) балл(?:а|ов)?\)$",  # noqa: RUF001
}


def readmes(exercise: Exercise) -> list[Path]:
    """The README in each language the exercise should have."""
    names = ["README.md", "README.ru.md"] if exercise.identity.split("/")[0] in TRANSLATED else ["README.md"]
    return [exercise.folder / name for name in names]


@pytest.fixture(params=sorted(EXERCISES))
def exercise(request: pytest.FixtureRequest) -> Exercise:
    return EXERCISES[request.param]


def test_there_are_sixty() -> None:
    assert len(EXERCISES) >= 60


def test_the_readme_tells_the_points_of_each_check(exercise: Exercise) -> None:
    points = [check.points for check in exercise.grader.checks]
    for readme in readmes(exercise):
        text = readme.read_text(encoding="utf-8")
        heading = re.search(WHERE_CHECKED[readme.name], text, re.MULTILINE)
        assert heading, f"{readme.name} does not say what is checked"
        section = text[heading.end() :].split("\n## ")[0]
        told = [
            int(found) for found in re.findall(r"^\*.*?\((\d+)\)[.。]?$", section, re.MULTILINE | re.DOTALL)
        ]
        assert told == points, f"{readme.name} tells {told}"
        assert int(heading[1]) == sum(points)


def test_lines_of_a_readme_fit_a_screen(exercise: Exercise) -> None:
    for readme in readmes(exercise):
        lines = readme.read_text(encoding="utf-8").splitlines()
        assert [number for number, line in enumerate(lines, 1) if len(line) > WIDEST] == []


def test_hints_and_mutants(exercise: Exercise) -> None:
    assert len(read_hints(exercise.folder)) >= 3
    mutants = exercise.mutants()
    assert len(mutants) >= 4
    titles = {check.title for check in exercise.grader.checks}
    named = {caught_by(path if path.is_file() else path / exercise.source_names[0]) for path in mutants}
    assert named <= titles | {"assembles and links"}
    assert [path.name for path in mutants if not says_what_is_wrong(path)] == []


def says_what_is_wrong(mutant: Path) -> bool:
    """Whether a comment at the top of one of its files says it, beside the check that catches it."""
    for file in (mutant,) if mutant.is_file() else sorted(mutant.glob("*.asm")):
        top = itertools.takewhile(lambda line: line.startswith(";"), file.read_text().splitlines())
        if any(not line.startswith("; caught by:") for line in top):
            return True
    return False


def test_a_survivor_is_justified_line_by_line(exercise: Exercise) -> None:
    file = exercise.folder / "survivors.md"
    if not file.exists():
        return
    source = exercise.reference().sources[0].data.decode()
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("- "):
            found = re.fullmatch(r"- `([^`]+)` → `([^`]*)`: \S.*", line)
            assert found, line
            assert found[1] in source, f"the reference has no line {found[1]}"


@pytest.fixture(scope="module")
def sandbox():  # type: ignore[no-untyped-def]
    with WorkerSandbox() as opened:
        yield opened


def test_the_starter_assembles(exercise: Exercise, sandbox: WorkerSandbox) -> None:
    built = sandbox.build(exercise.build_request(exercise.own_submission()))
    assert getattr(built, "elf", None), getattr(built, "diagnostics", built)


@pytest.mark.slow
@pytest.mark.long
def test_every_reference_passes(sandbox: WorkerSandbox) -> None:
    report = grade(list(EXERCISES.values()), Choice(reference=True), sandbox)
    assert [each.identity for each in report.exercises if each.status.value != "passed"] == []
