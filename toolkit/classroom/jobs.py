"""The unit of work: one submission of one exercise. Picklable, and graded the same on every machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

from toolkit import __version__
from toolkit.classroom.packing import PackedExercise
from toolkit.grading.exercise import Submission
from toolkit.grading.report import CheckResult, ExerciseResult, Status
from toolkit.grading.runner import grade_submission
from toolkit.grading.sandbox import Sandbox


@dataclass(frozen=True)
class GradeJob:
    """``seed`` decides all chance in the runs and all drawn inputs."""

    exercise: PackedExercise
    submission: Submission
    seed: int = 0

    @cached_property
    def key(self) -> str:
        """Equal keys have equal results: the hash of submission, exercise, seed and toolkit version."""
        found = hashlib.sha256()
        for part in (__version__, self.exercise.digest, str(self.seed)):
            found.update(part.encode() + b"\0")
        for group in (self.submission.sources, self.submission.support):
            for file in group:
                found.update(file.name.encode() + b"\0" + hashlib.sha256(file.data).digest())
            found.update(b"--")
        return found.hexdigest()

    def grade(self, sandbox: Sandbox) -> ExerciseResult:
        """Never raises for what a submission or a grader does."""
        return grade_submission(self.exercise, self.submission, sandbox, self.seed)


def broken(job: GradeJob, reason: str) -> ExerciseResult:
    """The result of a job that could not be carried out by our own fault."""
    result = CheckResult("the job is carried out", Status.BROKEN, 0, reason)
    return ExerciseResult(job.exercise.identity, job.exercise.packed_title, (result,))


def seed_of(student: str, base: int) -> int:
    """A student's own seed, so that neighbours meet other drawn inputs."""
    return int.from_bytes(hashlib.sha256(f"{base}:{student}".encode()).digest()[:4], "little")
