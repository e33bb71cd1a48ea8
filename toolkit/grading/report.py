"""The result of a grading: frozen records, and the JSON document of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from toolkit.grading.categories import Category
from toolkit.grading.evidence import DiagnosticRecord, Location


class Status(StrEnum):
    """The four outcomes, never mixed; ``broken`` is ours, never the student's."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    BROKEN = "broken"


@dataclass(frozen=True)
class CheckResult:
    """What became of one check. ``explanation``: further lines on why, e.g. the fate of a killed program."""

    name: str
    status: Status
    max_score: float
    message: str = ""
    expected: str | None = None
    actual: str | None = None
    help: str | None = None
    location: Location | None = None
    visibility: str = "visible"
    explanation: tuple[str, ...] = ()
    category: Category = Category.OTHER

    @property
    def score(self) -> float:
        return self.max_score if self.status is Status.PASSED else 0

    @property
    def full_message(self) -> str:
        """The message and its explanation, one per line."""
        return "\n".join([self.message, *self.explanation])

    def as_json(self) -> dict[str, object]:
        """Plain values in the contract's order."""
        return {
            "name": self.name,
            "status": self.status.value,
            "score": self.score,
            "max_score": self.max_score,
            "message": self.full_message,
            "expected": self.expected,
            "actual": self.actual,
            "help": self.help,
            "location": location_json(self.location),
            "visibility": self.visibility,
        }


@dataclass(frozen=True)
class ExerciseResult:
    """One graded exercise. ``unreadable``: the submission could not even be read."""

    identity: str
    title: str
    checks: tuple[CheckResult, ...]
    diagnostics: tuple[DiagnosticRecord, ...] = ()
    instructions: int = 0
    unreadable: bool = False

    @property
    def status(self) -> Status:
        """``broken`` if any check is, else ``passed`` if all did, else ``failed``."""
        statuses = {check.status for check in self.checks}
        if Status.BROKEN in statuses:
            return Status.BROKEN
        return Status.PASSED if statuses <= {Status.PASSED} else Status.FAILED

    @property
    def score(self) -> float:
        return sum(check.score for check in self.checks)

    @property
    def max_score(self) -> float:
        return sum(check.max_score for check in self.checks)

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.identity,
            "status": self.status.value,
            "score": self.score,
            "max_score": self.max_score,
            "checks": [check.as_json() for check in self.checks],
            "diagnostics": [diagnostic_json(each) for each in self.diagnostics],
            "instructions": self.instructions,
        }


@dataclass(frozen=True)
class Report:
    """Everything one ``toolkit check`` found."""

    exercises: tuple[ExerciseResult, ...]
    seed: int
    toolkit: str

    @property
    def score(self) -> float:
        return sum(exercise.score for exercise in self.exercises)

    @property
    def max_score(self) -> float:
        return sum(exercise.max_score for exercise in self.exercises)

    @property
    def exit_status(self) -> int:
        """3 if anything is broken, 2 if a submission could not be read, 1 if anything failed, else 0."""
        if any(exercise.status is Status.BROKEN for exercise in self.exercises):
            return 3
        if any(exercise.unreadable for exercise in self.exercises):
            return 2
        return 0 if all(exercise.status is Status.PASSED for exercise in self.exercises) else 1

    def as_json(self) -> dict[str, object]:
        return {
            "version": 1,
            "toolkit": self.toolkit,
            "seed": self.seed,
            "exercises": [exercise.as_json() for exercise in self.exercises],
            "score": self.score,
            "max_score": self.max_score,
        }

    def counts(self) -> dict[Status, int]:
        """How many checks had each outcome."""
        results = [check.status for check in self.checks]
        return {status: results.count(status) for status in Status}

    @property
    def checks(self) -> Iterable[CheckResult]:
        return [check for exercise in self.exercises for check in exercise.checks]


def location_json(location: Location | None) -> dict[str, object] | None:
    """``column`` is null where it isn't known."""
    if location is None:
        return None
    return {"file": location.file, "line": location.line, "column": location.column or None}


def diagnostic_json(record: DiagnosticRecord) -> dict[str, object]:
    """One message of assembler or linker."""
    return {
        "severity": record.severity,
        "message": record.message,
        "help": record.help,
        "location": location_json(record.location),
        "text": record.text,
    }


def points(number: float) -> str:
    """``3`` or ``2.5``: a score without needless zeros."""
    return f"{number:g}"
