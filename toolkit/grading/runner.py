"""Exercise + submission → result: builds, runs the checks in order, keeps the four outcomes apart."""

from __future__ import annotations

import queue
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit import __version__
from toolkit.grading.categories import Category
from toolkit.grading.checks import BrokenCheck, Check, Failure
from toolkit.grading.exercise import Exercise, Submission, SubmissionError
from toolkit.grading.program import Program
from toolkit.grading.report import CheckResult, ExerciseResult, Report, Status
from toolkit.grading.sandbox import Sandbox, WorkerSandbox

BUILDS = "assembles and links"  # the check that every exercise begins with


@dataclass(frozen=True)
class Choice:
    """Which submission of each exercise is graded, and how."""

    reference: bool = False
    submission: Path | None = None
    seed: int = 0
    fail_fast: bool = False

    def read(self, exercise: Exercise) -> Submission:
        """Raises SubmissionError."""
        if self.submission is not None:
            return exercise.submission_at(self.submission)
        return exercise.reference() if self.reference else exercise.own_submission()


Progress = Callable[[ExerciseResult], None]


def grade(
    exercises: Sequence[Exercise],
    choice: Choice,
    sandbox: Sandbox | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Report:
    """Grade each exercise; ``progress`` is called with each result as it comes, in the order of ``exercises``.

    ``jobs`` > 1 uses that many workers. A ``sandbox`` given is used for the first of them and stays open.
    """
    first = sandbox or WorkerSandbox()
    others = [WorkerSandbox() for _ in range(min(jobs, len(exercises)) - 1)]
    try:
        if others:
            results = _grade_parallel(exercises, choice, [first, *others])
        else:
            results = (grade_exercise(exercise, choice, first) for exercise in exercises)
        return Report(tuple(_collect(results, choice.fail_fast, progress)), choice.seed, __version__)
    finally:
        for each in others if sandbox else [first, *others]:
            each.close()


def _collect(
    results: Iterable[ExerciseResult], fail_fast: bool, progress: Progress | None
) -> Iterable[ExerciseResult]:
    for result in results:
        if progress is not None:
            progress(result)
        yield result
        if fail_fast and result.status is not Status.PASSED:
            return


def _grade_parallel(
    exercises: Sequence[Exercise], choice: Choice, sandboxes: Sequence[Sandbox]
) -> Iterable[ExerciseResult]:
    idle: queue.SimpleQueue[Sandbox] = queue.SimpleQueue()
    for sandbox in sandboxes:
        idle.put(sandbox)

    def one(exercise: Exercise) -> ExerciseResult:
        sandbox = idle.get()
        try:
            return grade_exercise(exercise, choice, sandbox)
        finally:
            idle.put(sandbox)

    with ThreadPoolExecutor(len(sandboxes)) as pool:
        yield from pool.map(one, exercises)


def grade_exercise(exercise: Exercise, choice: Choice, sandbox: Sandbox) -> ExerciseResult:
    """Grade one exercise. Never raises for what a submission or a grader does."""
    try:
        submission = choice.read(exercise)
    except SubmissionError as error:
        return _unreadable(exercise, str(error))
    except BrokenCheck as error:
        return _no_grader(exercise, str(error))
    return grade_submission(exercise, submission, sandbox, choice.seed, fail_fast=choice.fail_fast)


def grade_submission(
    exercise: Exercise, submission: Submission, sandbox: Sandbox, seed: int = 0, *, fail_fast: bool = False
) -> ExerciseResult:
    """Grade sources already read."""
    try:
        options = replace(exercise.options, seed=seed)
        program = Program(exercise.build_request(submission), options, sandbox, exercise.grader.looks)
    except BrokenCheck as error:
        return _no_grader(exercise, str(error))
    return grade_program(exercise, program, fail_fast=fail_fast)


def grade_program(exercise: Exercise, program: Program, *, fail_fast: bool = False) -> ExerciseResult:
    """Run an exercise's checks on a program; what its runs showed stays with the program."""
    try:
        checks = exercise.grader.checks
    except BrokenCheck as error:
        return _no_grader(exercise, str(error))
    built = _check_build(program)
    results = [built]
    outcome: dict[Check, Status] = {}
    for check in checks:
        result = _skipped(check, built, outcome) or _run_check(check, program)
        outcome[check] = result.status
        results.append(result)
        if fail_fast and result.status is not Status.PASSED:
            break
    return ExerciseResult(
        exercise.identity,
        exercise.title,
        tuple(results),
        program.build.diagnostics if built.status is not Status.BROKEN else (),
        program.instructions_executed,
    )


def _check_build(program: Program) -> CheckResult:
    try:
        build = program.build
    except BrokenCheck as error:
        return CheckResult(BUILDS, Status.BROKEN, 0, str(error))
    if build.elf is not None:
        return CheckResult(BUILDS, Status.PASSED, 0)
    errors = [each for each in build.diagnostics if each.severity in ("error", "fatal")]
    first = errors[0] if errors else None
    return CheckResult(
        BUILDS,
        Status.FAILED,
        0,
        first.message if first else "the program could not be built",
        help=first.help if first else None,
        location=first.location if first else None,
        category=Category.BUILD,
    )


def _skipped(check: Check, built: CheckResult, outcome: dict[Check, Status]) -> CheckResult | None:
    if built.status is not Status.PASSED:
        return _skip(check, BUILDS)
    missing = next((each for each in check.depends_on if outcome.get(each) is not Status.PASSED), None)
    return None if missing is None else _skip(check, missing.title)


def _skip(check: Check, needed: str) -> CheckResult:
    return CheckResult(
        check.title,
        Status.SKIPPED,
        check.points,
        f"needs “{needed}” to pass first",
        visibility=check.visibility,
    )


def _run_check(check: Check, program: Program) -> CheckResult:
    program.unsupported.clear()
    try:
        check(program)
    except BrokenCheck as error:
        return _broken(check, str(error))
    except Failure as failure:
        if program.unsupported:
            return _broken(check, "the emulated kernel lacks " + ", ".join(sorted(program.unsupported)))
        return CheckResult(
            check.title,
            Status.FAILED,
            check.points,
            failure.message,
            failure.expected,
            failure.actual,
            failure.help or check.help or None,
            failure.location,
            check.visibility,
            failure.explanation,
            failure.category,
        )
    except AssertionError as error:
        message = str(error) or "the check's condition does not hold"
        return CheckResult(
            check.title,
            Status.FAILED,
            check.points,
            message,
            help=check.help or None,
            visibility=check.visibility,
        )
    except Exception as error:
        return _broken(check, f"the grader raised {type(error).__name__}: {error}{_grader_line()}")
    return CheckResult(check.title, Status.PASSED, check.points, visibility=check.visibility)


def _grader_line() -> str:
    """`` (grader.py:12)``: where in the grader the exception being handled passed."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == "grader.py"), None)
    return f" (grader.py:{line})" if line else ""


def _broken(check: Check, message: str) -> CheckResult:
    return CheckResult(check.title, Status.BROKEN, check.points, message, visibility=check.visibility)


def _no_grader(exercise: Exercise, reason: str) -> ExerciseResult:
    return ExerciseResult(
        exercise.identity, exercise.title, (CheckResult("the grader loads", Status.BROKEN, 0, reason),)
    )


def _unreadable(exercise: Exercise, reason: str) -> ExerciseResult:
    failed = CheckResult(BUILDS, Status.FAILED, 0, reason)
    skipped = tuple(_skip(check, BUILDS) for check in exercise.grader.checks)
    return ExerciseResult(exercise.identity, exercise.title, (failed, *skipped), unreadable=True)
