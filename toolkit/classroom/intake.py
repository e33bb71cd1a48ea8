"""What a course system exports, or a plain folder → one ``Attempt`` for each hand-in.

| layout | looks like |
|---|---|
| Moodle | `Ada Lovelace_12345_assignsubmission_file_/mmap.asm`, or `…_file_mmap.asm` |
| Canvas | `lovelaceada_12345_67890_mmap.asm`, `…_LATE_…`, `anon_x1y2z_67890_mmap.asm`, `…_mmap-1.asm` for a later attempt |
| Gradescope | `submission_123/…` beside `submission_metadata.yml` |
| GitHub Classroom | `assignment-login/…`, repositories with a common prefix |
| folder | one folder, archive or file for each student; inside, `attempt-N/` folders are attempts |

When a hand-in came: Gradescope's metadata; the commit of a repository; the times that an archive or a folder gives its
files elsewhere. Canvas's files have the time of the download, so that only its mark LATE is passed on.

Nothing of a submission is executed or written here; links are not followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from toolkit.classroom.archives import (
    EXPORT,
    HAND_IN,
    ArchiveError,
    Contents,
    describe,
    is_archive,
    plain_name,
    read_archive,
    stem,
)
from toolkit.classroom.commits import commit_time
from toolkit.classroom.gradescope import METADATA, load_metadata, read_metadata

SOURCE_SUFFIXES = (".asm", ".inc", ".mac", ".s", ".nasm")


@dataclass(frozen=True)
class Attempt:
    """One hand-in of one student: files by name, when it came (seconds since 1970, None if unknown), and remarks.

    ``problem``: why it can't be read at all; then there are no files.
    """

    student: str
    name: str = ""
    number: int = 1
    time: float | None = None
    files: dict[str, bytes] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = ()
    problem: str = ""
    aliases: tuple[str, ...] = ()


class IntakeError(Exception):
    """The submissions can't be found; the message is for the instructor."""


def wanted(name: str) -> bool:
    """Whether a file of a submission is read at all."""
    parts = name.split("/")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and name.lower().endswith(SOURCE_SUFFIXES)


def find_attempts(paths: Sequence[Path]) -> list[Attempt]:
    """All hand-ins under the paths, ordered by student and number. Raises IntakeError when there are none."""
    attempts: list[Attempt] = []
    for path in paths:
        if not path.exists():
            raise IntakeError(f"{path} does not exist")
        attempts += _of_path(path)
    if not attempts:
        raise IntakeError(f"no submissions in {', '.join(map(str, paths))}")
    return sorted(_numbered(attempts), key=lambda each: (each.student, each.number))


def _numbered(attempts: Iterable[Attempt]) -> Iterator[Attempt]:
    """Attempts of one student that claim the same number are numbered in the order of their times."""
    by_student: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        plain = replace(attempt, student=_unicode(attempt.student), name=_unicode(attempt.name))
        by_student.setdefault(plain.student, []).append(plain)
    for group in by_student.values():
        group.sort(key=lambda each: (each.number, each.time or 0))
        if len({each.number for each in group}) == len(group):
            yield from group
        else:
            yield from (replace(each, number=number) for number, each in enumerate(group, 1))


def _unicode(name: str) -> str:
    """A file's name as text that any database takes: bytes that are not UTF-8 are written out."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _of_path(path: Path) -> list[Attempt]:
    if path.is_file():
        return _of_file(path)
    for layout in (_gradescope, _moodle, _canvas, _github):
        found = layout(path)
        if found:
            return found
    return _plain(path)


def _of_file(path: Path) -> list[Attempt]:
    """A single source, one student's archive, or an export that was not unpacked."""
    if not is_archive(path.name):
        return [_single(path, path.stem)]
    try:
        contents = read_archive(path, _wanted_of_export, EXPORT)
    except ArchiveError as error:
        return [Attempt(stem(path.name), problem=f"{path.name}: {error}")]
    if any(name.endswith(METADATA) for name in contents.files):
        return _zipped_gradescope(contents)
    splits = {name: _split_moodle(name) or _split_canvas(name) for name in contents.files}
    if splits and all(splits.values()):
        return _grouped(contents, {name: split for name, split in splits.items() if split is not None})
    return [_archive(path, stem(path.name), "", 1, _newest(contents))]


def _wanted_of_export(name: str) -> bool:
    return wanted(name) or is_archive(name) or name.split("/")[-1] == METADATA


def _zipped_gradescope(contents: Contents) -> list[Attempt]:
    """Gradescope's export that was not unpacked."""
    metadata = min((name for name in contents.files if name.endswith(METADATA)), key=len)
    above = metadata[: -len(METADATA)]
    folders: dict[str, list[str]] = {}
    for name in contents.files:
        folder, _, rest = name.removeprefix(above).partition("/")
        if rest and name.startswith(above):
            folders.setdefault(folder, []).append(name)
    attempts = []
    for folder, people, time in read_metadata(contents.files[metadata]):
        splits = {
            name: Split("", "", name.removeprefix(f"{above}{folder}/")) for name in folders.get(folder, ())
        }
        for found in _grouped(contents, splits):
            attempts += [
                _stamped(replace(found, student=each.identity, name=each.name), time, each.aliases)
                for each in people
            ]
    return attempts


def _grouped(contents: Contents, splits: Mapping[str, Split]) -> list[Attempt]:
    """The hand-ins of an export that was not unpacked; archives in it are the students'."""
    groups: dict[tuple[str, int], list[Attempt]] = {}
    for name, split in splits.items():
        single = Contents()
        try:
            data = contents.files[name]
            single = read_archive(data, wanted) if is_archive(name) else single
            if not is_archive(name):
                single.add(split.file, data, None)
            time = contents.times.get(name)
            attempt = _from_contents(split.student, single, time, name=split.name, number=split.number)
        except ArchiveError as error:
            attempt = Attempt(split.student, split.name, split.number, problem=f"{split.file}: {error}")
        groups.setdefault((split.student, split.number), []).append(_placed(attempt, split))
    return [_merged(group) for group in groups.values()]


def _placed(attempt: Attempt, split: Split) -> Attempt:
    """With what only an export's file name says."""
    notes = (*attempt.notes, LATE) if split.late else attempt.notes
    return replace(attempt, time=attempt.time if split.dated else None, notes=notes)


def _newest(contents: Contents) -> float | None:
    return max(contents.times.values(), default=None)


def _from_contents(
    student: str, contents: Contents, time: float | None, *, name: str = "", number: int = 1
) -> Attempt:
    if not contents.files:
        return Attempt(student, name, number, time, {}, tuple(contents.notes), "it holds no assembly source")
    return Attempt(student, name, number, time, contents.files, tuple(contents.notes))


# -- one student's folder ----------------------------------------------------------------------------------------


def read_tree(folder: Path) -> Contents:
    """The sources below a folder, links left out."""
    contents = Contents()
    seen = 0
    for root, directories, names in os.walk(folder, followlinks=False):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for file_name in sorted(names):
            seen += 1
            if seen > HAND_IN.entries:
                contents.note(f"more than {HAND_IN.entries:,} files; the others were left out")
                return contents
            _read_one(contents, Path(root) / file_name, folder)
    return contents


def _read_one(contents: Contents, path: Path, folder: Path) -> None:
    name = plain_name(path.relative_to(folder).as_posix())
    if name is None:
        contents.note(f"{path.name!r} has no plain name and was left out")
        return
    if not wanted(name):
        return
    try:
        status = path.lstat()
        if not path.is_file() or path.is_symlink():
            contents.note(f"{name!r} is no regular file and was left out")
        elif status.st_size > HAND_IN.total:
            contents.note(f"{name!r} is larger than {HAND_IN.total >> 20} MiB and was left out")
        else:
            contents.add(name, path.read_bytes(), status.st_mtime)
    except (OSError, ArchiveError) as error:
        contents.note(f"{name!r}: {describe(error)}")


def _single(path: Path, student: str) -> Attempt:
    if path.is_symlink():
        return Attempt(student, problem=f"{path.name} is a link")
    contents = Contents()
    _read_one(contents, path, path.parent)
    return _from_contents(student, contents, _newest(contents))


def _student_entry(path: Path, student: str, name: str = "", number: int = 1) -> list[Attempt]:
    """A child of an export: a folder (with attempts or without), an archive, or a source file."""
    if path.is_symlink():
        return [Attempt(student, name, number, problem=f"{path.name} is a link")]
    if path.is_dir():
        attempts = sorted(each for each in path.glob("attempt-*") if each.is_dir() and not each.is_symlink())
        if attempts:
            return [
                replace(_folder(each, student, name), number=_trailing_number(each.name) or position)
                for position, each in enumerate(attempts, 1)
            ]
        return [_folder(path, student, name, number)]
    if is_archive(path.name):
        return [_archive(path, student, name, number)]
    return [replace(_single(path, student), name=name, number=number)]


def _folder(path: Path, student: str, name: str = "", number: int = 1) -> Attempt:
    contents = read_tree(path)
    inner = [each for each in sorted(path.iterdir()) if each.is_file() and is_archive(each.name)]
    if not contents.files and len(inner) == 1:
        return _archive(inner[0], student, name, number)
    return _from_contents(student, contents, _newest(contents), name=name, number=number)


def _archive(path: Path, student: str, name: str, number: int, time: float | None = None) -> Attempt:
    """One student's archive. ``time``: when it was handed in, else the file's own."""
    time = _mtime(path) if time is None else time
    try:
        contents = read_archive(path, wanted)
    except ArchiveError as error:
        return Attempt(student, name, number, time, problem=f"{path.name}: {error}")
    return _from_contents(student, contents, time, name=name, number=number)


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _trailing_number(name: str) -> int | None:
    found = re.search(r"(\d{1,6})$", name)
    return int(found[1]) if found else None


# -- layouts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """What an export's file name says."""

    student: str
    name: str
    file: str
    number: int = 1
    late: bool = False
    dated: bool = True


_MOODLE = re.compile(r"(?P<name>[^/]+?)_(?P<id>\d+)_assignsubmission_file_?(?P<rest>.*)", re.DOTALL)
_CANVAS = re.compile(
    r"(?P<who>[^_/]+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<attachment>\d+)_(?P<file>.+)"
    r"|(?P<late_too>LATE_)?anon_(?P<hidden>[A-Za-z0-9]+)_\d+_(?P<its_file>.+)",
    re.DOTALL,
)
LATE = "Canvas marks it as late, and not by how much: no penalty is taken"


def _split_moodle(name: str) -> Split | None:
    found = _MOODLE.fullmatch(name)
    if found is None:
        return None
    return Split(found["id"], found["name"], found["rest"].lstrip("/_") or found["rest"])


def _split_canvas(name: str) -> Split | None:
    found = _CANVAS.fullmatch(name.split("/")[-1])
    if found is None:
        return None
    file, number = _canvas_attempt(found["file"] or found["its_file"])
    late = bool(found["late"] or found["late_too"])
    return Split(found["id"] or found["hidden"], found["who"] or "", file, number, late, dated=False)


def _canvas_attempt(file: str) -> tuple[str, int]:
    """Canvas renames a file that is handed in again: mmap.asm, mmap-1.asm, mmap-2.asm."""
    found = re.fullmatch(r"(.+)-(\d{1,3})(\.[^.]+)", file, re.DOTALL)
    return (found[1] + found[3], int(found[2]) + 1) if found else (file, 1)


def _children(path: Path) -> list[Path]:
    return sorted(
        each for each in path.iterdir() if not each.name.startswith(".") and each.name != "__MACOSX"
    )


def _moodle(path: Path) -> list[Attempt]:
    splits = [(child, _split_moodle(child.name)) for child in _children(path)]
    if not any(split for _, split in splits):
        return []
    attempts: dict[str, list[Attempt]] = {}
    for child, split in splits:
        if split is not None:
            attempts.setdefault(split.student, []).extend(_exported(child, split))
    return [_merged(group) for group in attempts.values()]


def _canvas(path: Path) -> list[Attempt]:
    splits = [(child, _split_canvas(child.name)) for child in _children(path) if child.is_file()]
    if not splits or not all(split for _, split in splits):
        return []
    groups: dict[tuple[str, int], list[Attempt]] = {}
    for child, split in splits:
        assert split is not None
        groups.setdefault((split.student, split.number), []).extend(_exported(child, split))
    return [_merged(group) for group in groups.values()]


def _exported(child: Path, split: Split) -> list[Attempt]:
    """An export's entry, its file under the name the student gave it."""
    found = [_placed(each, split) for each in _student_entry(child, split.student, split.name, split.number)]
    if child.is_file() and not is_archive(child.name):
        return [
            replace(each, files=dict.fromkeys([split.file], data))
            for each in found
            for data in each.files.values()
        ] or found
    return found


def _merged(group: Sequence[Attempt]) -> Attempt:
    """Several files of one hand-in."""
    files: dict[str, bytes] = {}
    for each in group:
        files.update(each.files)
    problem = "" if files else next((each.problem for each in group if each.problem), "")
    notes = tuple(
        note for each in group for note in (*each.notes, *([each.problem] if files and each.problem else []))
    )
    times = [each.time for each in group if each.time is not None]
    notes = tuple(dict.fromkeys(notes))
    return replace(group[0], files=files, time=max(times, default=None), notes=notes, problem=problem)


def _gradescope(path: Path) -> list[Attempt]:
    metadata = path / METADATA
    if not metadata.is_file():
        nested = [each for each in _children(path) if (each / METADATA).is_file()]
        return [attempt for each in nested for attempt in _gradescope(each)]
    attempts = []
    for folder, people, time in read_metadata(load_metadata(metadata)):
        child = path / folder
        if plain_name(folder) != folder or not child.is_dir():
            continue
        for person in people:
            attempt = _folder(child, person.identity, person.name)
            attempts.append(_stamped(attempt, time, person.aliases))
    return attempts


def _stamped(attempt: Attempt, time: float | None, aliases: tuple[str, ...]) -> Attempt:
    return replace(attempt, time=time if time is not None else attempt.time, aliases=aliases)


def _github(path: Path) -> list[Attempt]:
    children = [each for each in _children(path) if each.is_dir() and not each.is_symlink()]
    if not children or not all((each / ".git").exists() for each in children):
        return []
    names = [each.name for each in children]
    prefix = os.path.commonprefix(names)  # noqa: RUF071 - of names, not of paths
    prefix = prefix[: prefix.rfind("-") + 1] if len(names) > 1 else names[0][: names[0].rfind("-") + 1]
    return [
        replace(_folder(each, each.name.removeprefix(prefix) or each.name), time=commit_time(each))
        for each in children
    ]


def _plain(path: Path) -> list[Attempt]:
    children = _children(path)
    if (
        children
        and all(each.is_file() for each in children)
        and not any(is_archive(each.name) for each in children)
    ):
        relevant = [each for each in children if wanted(each.name)]
        return [_single(each, each.stem) for each in relevant]
    return [
        attempt
        for child in children
        if child.is_dir() or is_archive(child.name) or wanted(child.name)
        for attempt in _student_entry(
            child,
            stem(child.name)
            if child.is_file() and is_archive(child.name)
            else (child.name if child.is_dir() else child.stem),
        )
    ]
