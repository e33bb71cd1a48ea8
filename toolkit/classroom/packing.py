"""An exercise as plain data, so that a job can travel to another machine and a grader's text can lie in a private folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from toolkit.classroom.intake import Attempt
from toolkit.grading.evidence import FileData
from toolkit.grading.exercise import (
    Exercise,
    Grader,
    Submission,
    SubmissionError,
    check_text,
    load_grader_text,
)


@dataclass(frozen=True)
class PackedExercise(Exercise):
    """``folder`` serves for names only and need not exist where the job runs."""

    packed_title: str = ""
    grader_text: str = ""
    names: tuple[str, ...] = ()
    files: tuple[FileData, ...] = ()
    starter: tuple[FileData, ...] = ()

    @cached_property
    def title(self) -> str:
        return self.packed_title

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        return self.names

    @cached_property
    def grader(self) -> Grader:
        return load_grader_text(self.grader_text, self.name)

    @cached_property
    def support(self) -> tuple[FileData, ...]:
        return self.files

    @cached_property
    def digest(self) -> str:
        """Changes when anything does that can change a grade."""
        found = hashlib.sha256(repr((self.identity, self.grader_text, self.names, self.files)).encode())
        return found.hexdigest()

    def __getstate__(self) -> dict[str, object]:
        """Fields only: a loaded grader can't be pickled, and is loaded again where it is needed."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def pack(exercise: Exercise, graders: Path | None = None) -> PackedExercise:
    """An exercise with everything a job needs. ``graders``: a private folder whose CHAPTER/NAME/grader.py goes first."""
    path = exercise.folder / "grader.py"
    if graders is not None:
        for candidate in (graders / exercise.chapter / exercise.name, graders / exercise.name):
            if (candidate / "grader.py").is_file():
                path = candidate / "grader.py"
                break
    text = path.read_text(encoding="utf-8")
    starter = tuple(
        FileData(name, (exercise.folder / name).read_bytes())
        for name in exercise.source_names
        if (exercise.folder / name).is_file()
    )
    return PackedExercise(
        Path(exercise.chapter, exercise.name),
        exercise.title,
        text,
        exercise.source_names,
        exercise.support,
        starter,
    )


def submission_of(exercise: PackedExercise, attempt: Attempt) -> Submission | None:
    """The sources of one exercise in a hand-in, None if it has none. Raises SubmissionError.

    Looked for as CHAPTER/NAME/FILE, NAME/FILE, and FILE anywhere, nearest to the top first. A further source of the
    exercise that was not handed in is the starter's.
    """
    sources: list[FileData] = []
    for name in exercise.source_names:
        found = _locate(exercise, name, attempt)
        if found is None and not sources:
            return None
        if found is None:
            found = next((each.data for each in exercise.starter if each.name == name), None)
            if found is None:
                raise SubmissionError(f"{name} is missing")
        check_text(name, found)
        sources.append(FileData(name, found))
    return Submission(tuple(sources), _includes(attempt)).checked()


def _locate(exercise: PackedExercise, name: str, attempt: Attempt) -> bytes | None:
    for path in (f"{exercise.chapter}/{exercise.name}/{name}", f"{exercise.name}/{name}", name):
        matches = [each for each in attempt.files if each == path or each.endswith("/" + path)]
        matches = [each for each in matches if not _generated(each)]
        if matches:
            return attempt.files[min(matches, key=lambda each: (each.count("/"), each))]
    return None


def _generated(path: str) -> bool:
    """Copies that the course brings along are nobody's work."""
    return any(part in ("reference", "mutants") for part in path.split("/")[:-1])


def _includes(attempt: Attempt) -> tuple[FileData, ...]:
    found = {
        path.split("/")[-1]: data for path, data in attempt.files.items() if path.endswith((".inc", ".mac"))
    }
    return tuple(FileData(name, data) for name, data in sorted(found.items()))
