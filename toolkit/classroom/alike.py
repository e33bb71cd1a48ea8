"""The text of each student's submission of one exercise, for ``similarity``."""

from __future__ import annotations

from collections.abc import Iterable

from toolkit.classroom.intake import Attempt
from toolkit.classroom.packing import PackedExercise, submission_of
from toolkit.grading.exercise import SubmissionError


def sources_by_student(exercise: PackedExercise, attempts: Iterable[Attempt]) -> dict[str, str]:
    """Student → all sources of the last attempt that holds the exercise, one behind the other. Unreadable ones are left out."""
    found: dict[str, str] = {}
    for attempt in attempts:
        try:
            submission = submission_of(exercise, attempt) if not attempt.problem else None
        except SubmissionError:
            continue
        if submission is not None:
            found[attempt.student] = "\n".join(
                file.data.decode(errors="replace") for file in submission.sources
            )
    return found
