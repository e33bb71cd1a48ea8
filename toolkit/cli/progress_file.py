"""What the student has passed, kept in a small file beside the exercises.

The file is a help and never a truth that anything depends on: an unreadable or newer one is kept as a backup and begun anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from toolkit.grading.exercise import Exercise
    from toolkit.grading.report import Report

FILE_NAME = ".toolkit-progress.json"
VERSION = 1


@dataclass
class ProgressFile:
    """Best score and hints seen of each exercise, by identity. ``notice``: what went wrong while reading, for the user."""

    path: Path
    exercises: dict[str, dict[str, Any]] = field(default_factory=dict)
    notice: str = ""
    writable: bool = True

    def passed(self, identity: str) -> bool:
        return bool(self.exercises.get(identity, {}).get("passed"))

    def hints(self, identity: str) -> int:
        """How many hints were shown."""
        seen = self.exercises.get(identity, {}).get("hints", 0)
        return seen if isinstance(seen, int) and seen >= 0 else 0

    def update(self, identity: str, **values: Any) -> None:
        self.exercises.setdefault(identity, {}).update(values)

    def save(self) -> bool:
        """Replace the file at once, so that it is never half-written. ``False`` where it can't be: then nothing is changed."""
        if not self.writable:
            return True  # said when it was read
        text = json.dumps({"version": VERSION, "exercises": self.exercises}, indent=1, sort_keys=True) + "\n"
        temporary = self.path.with_name(f"{FILE_NAME}.{os.getpid()}")
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(self.path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            return False
        return True

    @property
    def cannot_save(self) -> str:
        """What to say when ``save`` could not."""
        return (
            f"your progress is not kept: {self.path.parent} can't be written to;"
            " `toolkit start DIRECTORY` puts a course of your own where you can write"
        )


def load(course: Path) -> ProgressFile:
    """The progress kept beside a course's folder; an empty one when there is none or it can't be used.

    None is kept beside the course inside the package.
    """
    from toolkit.grading.exercise import packaged_course

    path = course.parent / FILE_NAME
    if course == packaged_course():
        return ProgressFile(path, writable=False)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ProgressFile(path)
    except OSError as error:
        return ProgressFile(path, notice=f"{FILE_NAME} can't be read: {error.strerror}", writable=False)
    except ValueError:
        return _begin_anew(path, "is damaged")
    if not isinstance(document, dict):
        return _begin_anew(path, "is damaged")
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:  # whose shape is its own
        return ProgressFile(
            path,
            notice=f"{FILE_NAME} is of a newer toolkit; it is left as it is, and nothing is added to it."
            " Install that version again, or rename the file to begin anew",
            writable=False,
        )
    if version != VERSION or not isinstance(document.get("exercises"), dict):
        return _begin_anew(path, "is damaged")
    entries = {name: value for name, value in document["exercises"].items() if isinstance(value, dict)}
    return ProgressFile(path, entries)


def _begin_anew(path: Path, problem: str) -> ProgressFile:
    from toolkit.cli.common import keep_backup

    try:
        backup = keep_backup(path)
        path.unlink()
    except OSError:
        return ProgressFile(path, notice=f"{FILE_NAME} {problem}", writable=False)
    return ProgressFile(
        path, notice=f"{FILE_NAME} {problem}; it is kept as {backup.name} and a new one is begun"
    )


def load_with_notice(course: Path) -> ProgressFile:
    """``load``, and say on stderr what was wrong with the file."""
    progress = load(course)
    if progress.notice:
        click.echo(f"toolkit: {progress.notice}", err=True)
    return progress


def passed_exercises() -> set[str]:
    """Identities of what was passed in the course around the current directory."""
    from toolkit.cli.common import find_course

    progress = load_with_notice(find_course().folder)
    return {identity for identity in progress.exercises if progress.passed(identity)}


def remember(exercises: Sequence[Exercise], report: Report) -> None:
    """Keep what a grading of the student's own files showed."""
    from toolkit.grading.report import Status

    if not exercises:
        return
    progress = load_with_notice(exercises[0].folder.parent.parent)
    for result in report.exercises:
        passed = progress.passed(result.identity) or result.status is Status.PASSED
        progress.update(result.identity, passed=passed, score=result.score, max_score=result.max_score)
    if not progress.save():
        click.echo(f"toolkit: {progress.cannot_save}", err=True)
