"""What a student may read of a result: checks by their visibility, and messages by the level of disclosure.

| level | a failed check shows |
|---|---|
| `full` | message, expected, actual, why, where, help |
| `actual-only` | what the program did, not what was expected |
| `category` | only of which kind the failure is |
| `none` | only whether it passed |
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from toolkit.grading.formats import DISCLOSURE_LEVELS
from toolkit.grading.report import CheckResult, ExerciseResult, Report, Status

VISIBLE = frozenset({"visible"})
WITHOUT_VERDICT = {
    Status.SKIPPED: "not tried",
    Status.BROKEN: "could not be graded; not your fault",
}


@dataclass(frozen=True)
class Disclosure:
    """How much a student reads: checks of which visibilities, and at which level. Raises ValueError for an unknown level."""

    level: str = "full"
    shown: Collection[str] = VISIBLE

    def __post_init__(self) -> None:
        if self.level not in DISCLOSURE_LEVELS:
            raise ValueError(f"disclosure {self.level!r} is none of {', '.join(DISCLOSURE_LEVELS)}")

    def result(self, result: ExerciseResult) -> ExerciseResult:
        """The result without checks of other visibilities: neither their names, nor what they are worth, nor how they went.

        A skipped check may name the hidden one it waited for: its message goes too, where any check is hidden.
        """
        hidden = {check.name for check in result.checks if check.visibility not in self.shown}
        checks = [_without_names(check, hidden) for check in result.checks if check.visibility in self.shown]
        return replace(
            result,
            checks=tuple(_REDUCE[self.level](check) for check in checks),
            diagnostics=result.diagnostics if self.level in ("full", "actual-only") else (),
            instructions=0 if hidden else result.instructions,
        )

    def report(self, report: Report) -> Report:
        """The same for every exercise of a report."""
        return replace(report, exercises=tuple(self.result(each) for each in report.exercises))


def _without_names(check: CheckResult, hidden: Collection[str]) -> CheckResult:
    if check.status is Status.SKIPPED and any(name in check.message for name in hidden):
        return replace(check, message="needs another check to pass first")
    return check


def _full(check: CheckResult) -> CheckResult:
    return check


def _actual_only(check: CheckResult) -> CheckResult:
    if check.status is not Status.FAILED:
        return check
    return replace(check, message=check.category.value, expected=None, help=None)


def _category(check: CheckResult) -> CheckResult:
    if check.status is Status.PASSED:
        return check
    return _bare(check, WITHOUT_VERDICT.get(check.status, check.category.value))


def _none(check: CheckResult) -> CheckResult:
    return check if check.status is Status.PASSED else _bare(check, "")


def _bare(check: CheckResult, message: str) -> CheckResult:
    return replace(
        check, message=message, expected=None, actual=None, help=None, location=None, explanation=()
    )


_REDUCE: dict[str, Callable[[CheckResult], CheckResult]] = {
    "full": _full,
    "actual-only": _actual_only,
    "category": _category,
    "none": _none,
}
