"""What the student was given: the starter of a file, and which exercises are still as they were given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.grading.exercise import Exercise


def starter(exercise: Exercise, name: str) -> bytes | None:
    """The bytes of a source as it was given: the installed course's, or the last commit's where the student edits that one."""
    given = _installed(exercise, name)
    if given is None or given.resolve() == (exercise.folder / name).resolve():
        return _committed(exercise.folder, name)
    try:
        return given.read_bytes()
    except OSError:
        return None


def not_begun(exercises: Iterable[Exercise]) -> list[str]:
    """Identities of exercises whose files are still the installed course's starters."""
    return [exercise.identity for exercise in exercises if _is_starter(exercise)]


def _is_starter(exercise: Exercise) -> bool:
    for name in exercise.source_names:
        own, given = exercise.folder / name, _installed(exercise, name)
        if given is None or given.resolve() == own.resolve():
            return False
        try:
            if own.read_bytes() != given.read_bytes():
                return False
        except OSError:
            return False
    return not exercise.is_worked_example


def _installed(exercise: Exercise, name: str) -> Path | None:
    from toolkit.grading.exercise import installed_course

    course = installed_course()
    path = None if course is None else course / exercise.chapter / exercise.name / name
    return path if path is not None and path.is_file() else None


def _committed(folder: Path, name: str) -> bytes | None:
    """The file in the last commit of the repository around it, ``None`` without git, repository or file."""
    import subprocess

    try:
        result = subprocess.run(
            ["git", "show", f"HEAD:./{name}"], cwd=folder, capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None
