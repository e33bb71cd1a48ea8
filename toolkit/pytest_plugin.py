"""Exercises as pytest items: ``pytest exercises/`` grades them, ``pytest exercises/ch04 --reference`` the references.

Each check is one item. A failed check fails, a skipped one is skipped, a broken one fails saying that it is broken.
Everything of toolkit is imported when the first exercise is collected: other test suites pay nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from toolkit.grading.exercise import Exercise
    from toolkit.grading.report import CheckResult, ExerciseResult
    from toolkit.grading.sandbox import WorkerSandbox


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("toolkit")
    group.addoption("--reference", action="store_true", help="grade the exercises' reference solutions")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ExerciseFile | None:
    """``CHAPTER/NAME/grader.py`` with a README beside it is an exercise."""
    if file_path.name != "grader.py" or not (file_path.parent / "README.md").is_file():
        return None
    file: ExerciseFile = ExerciseFile.from_parent(parent, path=file_path)
    return file


def pytest_sessionfinish(session: pytest.Session) -> None:
    sandbox = session.config.stash.get(_SANDBOX, None)
    if sandbox is not None:
        sandbox.close()


_SANDBOX: pytest.StashKey[WorkerSandbox] = pytest.StashKey()


class ExerciseFile(pytest.File):
    """One exercise; graded when its first item runs. Checks that are not for the student to see are no items."""

    _result: ExerciseResult | None = None

    def collect(self) -> Iterator[CheckItem]:
        from toolkit.grading.checks import BrokenCheck
        from toolkit.grading.disclosure import VISIBLE
        from toolkit.grading.exercise import Exercise
        from toolkit.grading.runner import BUILDS

        self.exercise: Exercise = Exercise(self.path.parent)
        try:
            titles = [
                BUILDS,
                *(check.title for check in self.exercise.grader.checks if check.visibility in VISIBLE),
            ]
        except BrokenCheck as error:
            raise self.CollectError(str(error)) from error
        for title in titles:
            item: CheckItem = CheckItem.from_parent(self, name=title)
            yield item

    @property
    def result(self) -> ExerciseResult:
        """The grading, done once."""
        if self._result is None:
            from toolkit.grading.disclosure import Disclosure
            from toolkit.grading.runner import Choice, grade_exercise
            from toolkit.grading.sandbox import WorkerSandbox

            stash = self.config.stash
            if _SANDBOX not in stash:
                stash[_SANDBOX] = WorkerSandbox()
            sandbox = stash[_SANDBOX]
            choice = Choice(reference=bool(self.config.getoption("--reference")))
            self._result = Disclosure().result(grade_exercise(self.exercise, choice, sandbox))
        return self._result


class CheckFailedError(Exception):
    """A check that did not pass; pytest prints its text and no traceback of ours."""


class CheckItem(pytest.Item):
    """One check."""

    def runtest(self) -> None:
        from toolkit.grading.export import details
        from toolkit.grading.report import Status

        result = self._own_result()
        if result.status is Status.SKIPPED:
            pytest.skip(result.message)
        if result.status is Status.BROKEN:
            raise CheckFailedError(f"broken, not the student's fault: {details(result)}")
        if result.status is Status.FAILED:
            raise CheckFailedError(details(result))

    def _own_result(self) -> CheckResult:
        parent = self.parent
        assert isinstance(parent, ExerciseFile)
        found = [check for check in parent.result.checks if check.name == self.name]
        if not found:  # the grading broke off before any check
            return parent.result.checks[0]
        return found[0]

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **options: Any) -> Any:
        if isinstance(excinfo.value, CheckFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, *args, **options)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        assert isinstance(self.parent, ExerciseFile)
        return self.path, None, f"{self.parent.exercise.identity}: {self.name}"
