"""One ``toolkit grade``: paths → attempts → jobs → results in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.classroom.intake import Attempt, find_attempts
from toolkit.classroom.jobs import GradeJob, seed_of
from toolkit.classroom.packing import PackedExercise, submission_of
from toolkit.classroom.roster import Student, assign
from toolkit.classroom.store import Entry, Store
from toolkit.classroom.workers import grade_locally, grade_on_cluster
from toolkit.grading.exercise import SubmissionError
from toolkit.grading.report import ExerciseResult

MISSING = "nothing was handed in"


@dataclass(frozen=True)
class Settings:
    """How a class is graded. ``own_seeds``: every student meets other drawn inputs. ``graders``: where private ones lie.
    ``rules``: the deadline's options as they were written, which `toolkit results` falls back on.
    """

    name: str
    seed: int = 0
    own_seeds: bool = False
    graders: Path | None = None
    rules: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    scheduler: str | None = None

    def as_json(self) -> dict[str, object]:
        """What ``--resume`` takes up again."""
        graders = str(self.graders.resolve()) if self.graders is not None else None
        return {
            "seed": self.seed,
            "own_seeds": self.own_seeds,
            "graders": graders,
            "rules": dict(self.rules),
        }


@dataclass
class Plan:
    """What a session consists of: an entry for each student, attempt and exercise, and the jobs behind them."""

    entries: list[Entry] = field(default_factory=list)
    jobs: dict[str, GradeJob] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    maxima: dict[str, float] = field(default_factory=dict)
    """Exercise → the points it is worth, also where nobody handed it in."""

    @property
    def students(self) -> set[str]:
        return {each.student for each in self.entries}


def make_plan(
    paths: Sequence[Path], exercises: Sequence[PackedExercise], roster: Sequence[Student], settings: Settings
) -> Plan:
    """Read the submissions. Raises IntakeError."""
    attempts = find_attempts(paths)
    plan = Plan(maxima={each.identity: points_of(each) for each in exercises})
    if roster:
        attempts, plan.unknown = assign(attempts, roster)
    for attempt in attempts:
        if attempt.notes:
            plan.notes.setdefault(attempt.student, []).extend(attempt.notes)
        for exercise in exercises:
            plan.entries.append(_entry(plan, attempt, exercise, settings))
    plan.entries += _absent(plan, roster, exercises)
    _number_again(plan)
    return plan


def points_of(exercise: PackedExercise) -> float:
    """What an exercise is worth."""
    return sum(check.points for check in exercise.grader.checks)


def _entry(plan: Plan, attempt: Attempt, exercise: PackedExercise, settings: Settings) -> Entry:
    problem, key = attempt.problem, None
    if not problem:
        try:
            submission = submission_of(exercise, attempt)
        except SubmissionError as error:
            submission, problem = None, str(error)
        if submission is not None:
            seed = seed_of(attempt.student, settings.seed) if settings.own_seeds else settings.seed
            job = GradeJob(exercise, submission, seed)
            key = job.key
            plan.jobs.setdefault(key, job)
        problem = problem or ("" if key else MISSING)
    return Entry(attempt.student, attempt.number, exercise.identity, attempt.name, attempt.time, key, problem)


def _absent(plan: Plan, roster: Iterable[Student], exercises: Iterable[PackedExercise]) -> Iterator[Entry]:
    present = plan.students
    for student in roster:
        if student.identity not in present:
            for exercise in exercises:
                yield Entry(student.identity, 1, exercise.identity, student.name, problem=MISSING)


def _number_again(plan: Plan) -> None:
    """Two exports may have named one student's attempts alike."""
    from dataclasses import replace

    seen: set[tuple[str, int, str]] = set()
    for index, entry in enumerate(plan.entries):
        number = entry.attempt
        while (entry.student, number, entry.exercise) in seen:
            number += 1
        seen.add((entry.student, number, entry.exercise))
        if number != entry.attempt:
            plan.entries[index] = replace(entry, attempt=number)


Progress = Callable[[GradeJob, ExerciseResult], None]


def run_plan(plan: Plan, store: Store, settings: Settings, progress: Progress | None = None) -> int:
    """Grade what the store doesn't know yet, each result kept at once; how many were graded. Raises ClusterError, StoreError."""
    session_id = store.open_session(settings.name, {**settings.as_json(), "maxima": plan.maxima})
    store.set_entries(session_id, plan.entries)
    known = store.known(plan.jobs)
    todo = [job for key, job in plan.jobs.items() if key not in known]
    if not todo:
        return 0
    if settings.scheduler is not None:
        results = grade_on_cluster(todo, settings.scheduler)
    else:
        results = grade_locally(todo, min(settings.workers, len(todo)))
    for key, result in results:
        store.put(key, result)
        if progress is not None:
            progress(plan.jobs[key], result)
    return len(todo)
