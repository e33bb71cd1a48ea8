"""The store's entries → one line for each student: points, lateness, and which attempt counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from toolkit.classroom.lateness import Deadline
from toolkit.classroom.store import Entry, Graded
from toolkit.grading.report import ExerciseResult, Status


@dataclass(frozen=True)
class Line:
    """One student's counted attempt at one exercise. ``factor``: what lateness leaves of the points; ``late``: seconds."""

    entry: Entry
    result: ExerciseResult | None
    max_score: float
    factor: float = 1.0
    late: float = 0.0

    @property
    def raw(self) -> float:
        """Points before the penalty."""
        return self.result.score if self.result is not None else 0.0

    @property
    def score(self) -> float:
        """Points after the penalty."""
        return self.after_penalty(self.raw)

    def after_penalty(self, points: float) -> float:
        """What is left of points, of the whole result or of what is shown of it."""
        return round(points * self.factor, 4)

    @property
    def status(self) -> str:
        """The result's, or `missing`, or `unreadable` when what was handed in could not be graded."""
        if self.result is not None:
            return self.result.status.value
        return (
            "missing" if self.entry.problem == MISSING else "unreadable" if self.entry.problem else "pending"
        )


MISSING = "nothing was handed in"


@dataclass
class StudentLine:
    """A student and the lines that count, by exercise."""

    student: str
    name: str = ""
    lines: dict[str, Line] = field(default_factory=dict)

    @property
    def score(self) -> float:
        return sum(line.score for line in self.lines.values())

    @property
    def max_score(self) -> float:
        return sum(line.max_score for line in self.lines.values())

    @property
    def late(self) -> float:
        """Seconds, of the latest hand-in that counts."""
        return max((line.late for line in self.lines.values()), default=0.0)

    @property
    def broken(self) -> bool:
        return any(line.status == Status.BROKEN.value for line in self.lines.values())


def make_gradebook(
    graded: Iterable[Graded],
    deadline: Deadline | None = None,
    policy: str = "best",
    worth: Mapping[str, float] | None = None,
) -> list[StudentLine]:
    """Lines by student. ``policy``: the `best` attempt counts (after penalties), or the `last` one that holds the exercise.

    ``worth``: exercise → points, for those that nobody handed in.
    """
    deadline = deadline or Deadline()
    groups: dict[tuple[str, str], list[Graded]] = {}
    maxima: dict[str, float] = dict(worth or {})
    for each in graded:
        groups.setdefault((each.entry.student, each.entry.exercise), []).append(each)
        if each.result is not None:
            maxima.setdefault(each.entry.exercise, each.result.max_score)
    students: dict[str, StudentLine] = {}
    for (student, exercise), attempts in groups.items():
        lines = [_line(each, deadline, maxima.get(exercise, 0.0)) for each in attempts]
        book = students.setdefault(student, StudentLine(student))
        book.name = book.name or next((each.entry.name for each in attempts if each.entry.name), "")
        book.lines[exercise] = _choose(lines, policy)
    return sorted(students.values(), key=lambda each: each.student)


def _line(graded: Graded, deadline: Deadline, maximum: float) -> Line:
    time = graded.entry.submitted_at
    return Line(graded.entry, graded.result, maximum, deadline.factor(time), deadline.seconds_late(time))


def _choose(lines: list[Line], policy: str) -> Line:
    handed_in = [line for line in lines if line.result is not None] or lines
    if policy == "last":
        return max(handed_in, key=lambda line: line.entry.attempt)
    return max(handed_in, key=lambda line: (line.score, line.entry.attempt))


@dataclass(frozen=True)
class CheckCount:
    """How a class did on one check."""

    exercise: str
    check: str
    passed: int
    failed: int
    skipped: int
    broken: int

    @property
    def share_failed(self) -> float:
        tried = self.passed + self.failed
        return self.failed / tried if tried else 0.0


def count_checks(book: Iterable[StudentLine]) -> list[CheckCount]:
    """Every check with its outcomes, the one that fails most first."""
    counts: dict[tuple[str, str], dict[Status, int]] = {}
    for student in book:
        for exercise, line in student.lines.items():
            for check in line.result.checks if line.result is not None else ():
                row = counts.setdefault((exercise, check.name), dict.fromkeys(Status, 0))
                row[check.status] += 1
    found = [
        CheckCount(
            exercise,
            name,
            row[Status.PASSED],
            row[Status.FAILED],
            row[Status.SKIPPED],
            row[Status.BROKEN],
        )
        for (exercise, name), row in counts.items()
    ]
    return sorted(found, key=lambda each: (-each.failed, each.exercise, each.check))
