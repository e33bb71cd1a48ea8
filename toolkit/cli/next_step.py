"""What to do next, in a line or two below a grading: begin, look for a hint, bring a file back, go on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.grading.exercise import Exercise
    from toolkit.grading.report import Report

_NAMED = re.compile(r";\s*(\w+):")  # a starter's first line: `; hello: print a line.`
_LANGUAGES = {
    "C": re.compile(r"^\s*(?:#\s*include\b|(?:int|void)\s+main\s*\()", re.MULTILINE),
    "Python": re.compile(r"^(?:import \w+|from \w+ import |def \w+\(.*\):|print\()", re.MULTILINE),
    "GNU assembler (AT&T) syntax": re.compile(r"^\s*\.(?:globl|text|intel_syntax|section)\b", re.MULTILINE),
    "Markdown, as a README": re.compile(r"\A#{1,2} .*\n(?:.*\n)*?## ", re.MULTILINE),
}
MOST_NAMED = 3  # exercises named in one line


def next_steps(exercises: Sequence[Exercise], report: Report) -> Iterator[str]:
    """Lines for the student whose own files were graded."""
    from toolkit.cli.starters import not_begun
    from toolkit.grading.report import Status

    failed = {each.identity for each in report.exercises if each.status is Status.FAILED}
    open_ones = [each for each in exercises if each.identity in failed]
    about = [
        line
        for exercise in open_ones
        for line in _about_files(exercise, [exercise.folder / name for name in exercise.source_names])
    ]
    yield from about
    waiting = not_begun(open_ones)
    if waiting:
        more = f" and {len(waiting) - MOST_NAMED} more" if len(waiting) > MOST_NAMED else ""
        yield (
            f"Not begun yet, the starter is unchanged: {', '.join(waiting[:MOST_NAMED])}{more}."
            f" `toolkit show {waiting[0]}` is the task."
        )
    elif len(open_ones) == 1 and not about:
        yield f"Stuck? `toolkit hint {open_ones[0].identity}` gives a hint."
    elif len(report.exercises) == 1 and report.exit_status == 0:
        yield from _go_on(exercises[0])


def about_submission(exercise: Exercise, submission: Path) -> Iterator[str]:
    """Lines for a file handed in from elsewhere that looks like another one."""
    file = submission / exercise.source_names[0] if submission.is_dir() else submission
    yield from _strange(exercise, file)


def _about_files(exercise: Exercise, files: Sequence[Path]) -> Iterator[str]:
    for file in files:
        try:
            empty = not file.exists() or not file.read_bytes().strip()
        except OSError:
            continue
        if empty:
            yield f"`toolkit reset {exercise.identity}` brings the starter of {file.name} back."
        else:
            yield from _strange(exercise, file)


def _strange(exercise: Exercise, file: Path) -> Iterator[str]:
    """Whether a file is meant for another exercise, by its first line, or written in another language."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    named = _NAMED.match(text.lstrip())
    siblings = {path.parent.name for path in exercise.folder.parent.parent.glob("*/*/grader.py")}
    if named and named[1] != exercise.name and named[1] in siblings:
        yield (
            f"Is {file.name} the right file? Its first line names the exercise {named[1]}:"
            f" `toolkit check {named[1]} --submission {file.name}` grades it as that."
        )
    for language, pattern in _LANGUAGES.items():
        if pattern.search(text):
            yield f"{file.name} looks like {language}; what is wanted here is assembly as nasm reads it."
            return


def _go_on(exercise: Exercise) -> Iterator[str]:
    from toolkit.cli.loop import next_exercise
    from toolkit.cli.progress_file import load
    from toolkit.grading.exercise import Course

    course = exercise.folder.parent.parent
    exercises = Course(course).exercises
    place = [each.identity for each in exercises].index(exercise.identity)
    following = next_exercise((*exercises[place:], *exercises[:place]), load(course))
    if following is not None and following.identity != exercise.identity:
        yield f"Next: `toolkit show {following.identity}`: {following.title}"
