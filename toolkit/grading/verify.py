"""Grading the graders: the starter fails, the reference passes, every mutant is rejected by the check it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.grading.checks import BrokenCheck
from toolkit.grading.exercise import Exercise, Submission, SubmissionError
from toolkit.grading.program import Program
from toolkit.grading.report import ExerciseResult, Status
from toolkit.grading.runner import BUILDS, grade_program
from toolkit.grading.sandbox import Sandbox

LEAST_MUTANTS = 4
LEAST_HINTS = 3
SLOWER = 20  # times the reference's instructions that a mutant may execute in one run
LEAST_BUDGET = 4_000_000
REFERENCE_PASSES = "the reference passes"
_CAUGHT_BY = re.compile(r";\s*caught by:\s*(.+?)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Proof:
    """One statement about an exercise, and whether it holds. ``broken``: it could not be found out."""

    exercise: str
    statement: str
    holds: bool
    reason: str = ""
    broken: bool = False


def verify(exercise: Exercise, sandbox: Sandbox) -> Iterator[Proof]:
    """Every statement about one exercise, as it is proven."""

    def proof(statement: str, problem: str | None, *, broken: bool = False) -> Proof:
        return Proof(exercise.identity, statement, problem is None, problem or "", broken)

    try:
        titles = [check.title for check in exercise.grader.checks]
    except BrokenCheck as error:
        yield proof("the grader loads", str(error), broken=True)
        return
    yield proof("README, hints and mutants are there", incomplete(exercise))
    options = exercise.options
    for statement, read, judge in _statements(exercise, titles):
        try:
            program = Program(exercise.build_request(read()), options, sandbox)
            result = grade_program(exercise, program)
        except (SubmissionError, BrokenCheck) as error:
            yield proof(statement, str(error), broken=isinstance(error, BrokenCheck))
            continue
        if statement == REFERENCE_PASSES:
            options = replace(options, budget=mutant_budget(program))
        broken = result.status is Status.BROKEN
        yield proof(statement, _why_broken(result) if broken else judge(result), broken=broken)


def mutant_budget(reference: Program) -> int:
    """Instructions that one run of a wrong program may execute, from the runs that the checks made of the reference.

    An endless loop is found out early so; a mutant that is merely slow has time.
    """
    longest = max((reference.evidence(request).instructions for request in reference.requests), default=0)
    return min(reference.options.budget, max(LEAST_BUDGET, SLOWER * longest))


Statement = tuple[str, Callable[[], Submission], Callable[[ExerciseResult], str | None]]


def _statements(exercise: Exercise, titles: list[str]) -> Iterator[Statement]:
    yield REFERENCE_PASSES, exercise.reference, _passes
    starter_judge = _passes if exercise.is_worked_example else _fails_but_assembles
    word = "passes (a worked example)" if exercise.is_worked_example else "assembles and fails"
    yield f"the starter {word}", exercise.own_submission, starter_judge
    for path in exercise.mutants():
        yield (
            f"mutant {path.stem} is rejected",
            lambda path=path: exercise.mutant(path),  # type: ignore[misc]
            lambda result, path=path: _rejected(result, path, exercise, titles),  # type: ignore[misc]
        )


def _why_broken(result: ExerciseResult) -> str:
    broken = next(check for check in result.checks if check.status is Status.BROKEN)
    return f"“{broken.name}” is broken: {broken.message}"


def _passes(result: ExerciseResult) -> str | None:
    missed = [check for check in result.checks if check.status is not Status.PASSED]
    return None if not missed else f"“{missed[0].name}”: {missed[0].message}"


def _fails_but_assembles(result: ExerciseResult) -> str | None:
    if result.checks[0].status is not Status.PASSED:
        return f"it does not assemble: {result.checks[0].message}"
    return "it passes" if result.status is Status.PASSED else None


def _rejected(result: ExerciseResult, path: Path, exercise: Exercise, titles: list[str]) -> str | None:
    named = caught_by(path if path.is_file() else path / exercise.source_names[0])
    if named is None:
        return "its first comment does not say `; caught by: TITLE`"
    if named not in (*titles, BUILDS):
        return f"it names a check that does not exist: “{named}”"
    status = {check.name: check for check in result.checks}[named].status
    if status is Status.FAILED:
        return None
    failed = [f"“{check.name}”" for check in result.checks if check.status is Status.FAILED]
    return f"“{named}” {status.value}; failed: {', '.join(failed) or 'none'}"


def caught_by(path: Path) -> str | None:
    """The check that a mutant's first comment names, ``None`` when it names none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.strip() and not line.lstrip().startswith(";"):
            return None
        found = _CAUGHT_BY.match(line.strip())
        if found:
            return found.group(1)
    return None


def incomplete(exercise: Exercise) -> str | None:
    """What an exercise's folder lacks, ``None`` when it has everything."""
    from toolkit.grading.hints import read_hints

    lacks = []
    if not (exercise.folder / "README.md").is_file() or exercise.title == exercise.name:
        lacks.append("a README.md that begins with `# Title`")
    if len(read_hints(exercise.folder)) < LEAST_HINTS:
        lacks.append(f"{LEAST_HINTS} hints in hints.md")
    if len(exercise.mutants()) < LEAST_MUTANTS:
        lacks.append(f"{LEAST_MUTANTS} mutants")
    return f"it lacks {' and '.join(lacks)}" if lacks else None
