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
from dataclasses import replace

from toolkit.grading.report import CheckResult, ExerciseResult, Report, Status

LEVELS = ("full", "actual-only", "category", "none")
VISIBLE = frozenset({"visible"})
CATEGORIES = {
    Status.FAILED: "not as it should be",
    Status.SKIPPED: "not tried",
    Status.BROKEN: "could not be graded; not your fault",
}


def for_student(
    result: ExerciseResult, level: str = "full", shown: Collection[str] = VISIBLE
) -> ExerciseResult:
    """The result without checks of other visibilities, at a level. Raises ValueError for an unknown level.

    A skipped check may name the hidden one it waited for: its message goes too, where any check is hidden.
    """
    if level not in LEVELS:
        raise ValueError(f"disclosure {level!r} is none of {', '.join(LEVELS)}")
    hidden = {check.name for check in result.checks if check.visibility not in shown}
    checks = [check for check in result.checks if check.name not in hidden]
    checks = [_without_names(check, hidden) for check in checks]
    reduced = tuple(_REDUCE[level](check) for check in checks)
    diagnostics = result.diagnostics if level in ("full", "actual-only") else ()
    return replace(
        result, checks=reduced, diagnostics=diagnostics, instructions=0 if hidden else result.instructions
    )


def report_for_student(report: Report, level: str = "full", shown: Collection[str] = VISIBLE) -> Report:
    """The same for every exercise of a report."""
    return replace(report, exercises=tuple(for_student(each, level, shown) for each in report.exercises))


def _without_names(check: CheckResult, hidden: Collection[str]) -> CheckResult:
    if check.status is Status.SKIPPED and any(name in check.message for name in hidden):
        return replace(check, message="needs another check to pass first")
    return check


def _full(check: CheckResult) -> CheckResult:
    return check


def _actual_only(check: CheckResult) -> CheckResult:
    if check.status is not Status.FAILED:
        return check
    return replace(check, message=CATEGORIES[check.status], expected=None, help=None)


def _category(check: CheckResult) -> CheckResult:
    if check.status is Status.PASSED:
        return check
    return _bare(check, CATEGORIES[check.status])


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
