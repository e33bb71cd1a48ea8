"""Finding the course, and one exercise's folder → ``Exercise``."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from toolkit.grading.checks import BrokenCheck, Check, GraderError
from toolkit.grading.evidence import BuildRequest, FileData, SourceBounds
from toolkit.grading.looks import Looks
from toolkit.grading.program import ProgramOptions

GRADERS_KEPT = 32  # loaded, whose text has not changed
LARGEST_FILE = 32 << 20  # bytes of one file of an exercise or a submission
LARGEST_SOURCE = 1 << 18  # bytes of one file that is graded
LARGEST_SUBMISSION = 1 << 20  # bytes of all of them
LONGEST_LINE = 1 << 16  # bytes


class CourseError(Exception):
    """The course or an exercise can't be found or read; the message is for the user."""


class SubmissionError(Exception):
    """A submission can't be read; the message is for the student."""


@dataclass(frozen=True)
class Exercise:
    """One exercise's folder. ``identity`` is CHAPTER/NAME."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def chapter(self) -> str:
        return self.folder.parent.name

    @property
    def identity(self) -> str:
        return f"{self.chapter}/{self.name}"

    @cached_property
    def title(self) -> str:
        """The README's first heading (without the exercise's name before a colon), or the name."""
        return (read_title(self.folder / "README.md") or self.name).removeprefix(f"{self.name}: ")

    @cached_property
    def source_names(self) -> tuple[str, ...]:
        """The files the student writes, in the order in which they are linked."""
        named = self.grader.constants.get("SOURCES")
        if named is not None:
            return tuple(named)
        names = sorted(path.name for path in self.folder.glob("*.asm"))
        main = f"{self.name}.asm"
        return (main, *(name for name in names if name != main))

    @cached_property
    def grader(self) -> Grader:
        """The checks. Raises BrokenCheck when grader.py can't be loaded."""
        return load_grader(self.folder / "grader.py")

    @cached_property
    def support(self) -> tuple[FileData, ...]:
        """What the program finds in its directory, and ``%include`` beside the source."""
        return read_folder(self.folder / "files")

    @property
    def options(self) -> ProgramOptions:
        constants = self.grader.constants
        budget = constants.get("BUDGET", ProgramOptions.budget)
        return ProgramOptions(self.support, budget, constants.get("EVENTS", ProgramOptions.events))

    @property
    def is_worked_example(self) -> bool:
        """Whether the starter is complete and passes as it stands."""
        return bool(self.grader.constants.get("WORKED_EXAMPLE", False))

    def build_request(self, submission: Submission) -> BuildRequest:
        return BuildRequest(
            name=self.name,
            sources=submission.sources,
            support=(*submission.support, *self.support),
            format=self.grader.constants.get("FORMAT", "elf64"),
            bounds=SourceBounds(),
        )

    def own_submission(self) -> Submission:
        """The files in the exercise's folder: the student's. Raises SubmissionError."""
        return self.read_submission([self.folder])

    def reference(self) -> Submission:
        """The reference solution. Raises SubmissionError."""
        return self.read_submission([self.folder / "reference", self.folder])

    def mutants(self) -> tuple[Path, ...]:
        """The wrong programs: files, or folders of files."""
        return tuple(
            sorted(
                path for path in (self.folder / "mutants").glob("*") if path.suffix == ".asm" or path.is_dir()
            )
        )

    def mutant(self, path: Path) -> Submission:
        """A wrong program; what it leaves out is the reference's."""
        others = [self.folder / "reference", self.folder]
        if path.is_dir():
            return self.read_submission([path, *others])
        rest = self.read_submission(others)
        main = FileData(self.source_names[0], read_source(path))
        return Submission((main, *rest.sources[1:]), rest.support)

    def submission_at(self, path: Path) -> Submission:
        """A file (the main source) or a folder that holds the sources, by themselves, as NAME/ or as CHAPTER/NAME/."""
        if path.is_dir():
            for folder in (path / self.chapter / self.name, path / self.name, path):
                if (folder / self.source_names[0]).exists():
                    names = [folder / name for name in self.source_names]
                    refuse_odd_files(path, [*names, *folder.glob("*.inc"), *folder.glob("*.mac")])
                    return self.read_submission([folder, self.folder])
            raise SubmissionError(f"{path.name} holds no {self.source_names[0]}")
        if not path.exists():
            raise SubmissionError(f"{path} does not exist")
        rest = [self.folder / name for name in self.source_names[1:]]
        main = FileData(self.source_names[0], check_length(path.name, read_source(path)))
        return Submission((main, *(FileData(file.name, read_source(file)) for file in rest))).checked()

    def read_submission(self, folders: Sequence[Path]) -> Submission:
        """The sources, each from the first folder that has it, and includes beside them. Raises SubmissionError."""
        sources = []
        for name in self.source_names:
            found = next((folder / name for folder in folders if (folder / name).exists()), None)
            if found is None:
                raise SubmissionError(f"{name} is missing from {folders[0].name}")
            sources.append(FileData(name, read_source(found)))
        return Submission(tuple(sources), tuple(_includes(folders))).checked()


@dataclass(frozen=True)
class Submission:
    """What is graded: sources in link order, and files they may include."""

    sources: tuple[FileData, ...]
    support: tuple[FileData, ...] = ()

    def checked(self) -> Submission:
        """Itself. Raises SubmissionError when there is more of it than is graded."""
        files = (*self.sources, *self.support)
        total = sum(len(check_length(file.name, file.data)) for file in files)
        if total > LARGEST_SUBMISSION:
            raise SubmissionError(
                f"the files have {total:,} bytes together; a submission may have {LARGEST_SUBMISSION:,}"
            )
        return self


@dataclass(frozen=True)
class Grader:
    """A loaded grader.py: its checks in the file's order, its constants, and what its checks have looked at so far."""

    checks: tuple[Check, ...]
    constants: dict[str, Any]
    looks: Looks = field(default_factory=Looks, compare=False)


_CONSTANTS = {"WORKED_EXAMPLE": bool, "SOURCES": tuple, "FORMAT": str, "BUDGET": int, "EVENTS": int}


def load_grader(path: Path) -> Grader:
    """Run a grader.py (the instructor's, trusted). Raises BrokenCheck with a line number when it can't be used."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BrokenCheck("the exercise has no grader.py") from None
    except (OSError, ValueError) as error:
        raise BrokenCheck(f"grader.py can't be read: {error}") from error
    return load_grader_text(text, path.parent.name)


@lru_cache(maxsize=GRADERS_KEPT)
def load_grader_text(text: str, name: str) -> Grader:
    """Run a grader's text; that of one seen before is not run again. Raises BrokenCheck."""
    try:
        code = compile(text, "grader.py", "exec")
    except (SyntaxError, ValueError) as error:
        raise BrokenCheck(f"grader.py can't be read: {error}") from error
    module = types.ModuleType(f"grader_{name}")
    try:
        exec(code, module.__dict__)
    except Exception as error:
        raise BrokenCheck(f"grader.py can't be loaded: {type(error).__name__}: {error}") from error
    checks = tuple(value for value in module.__dict__.values() if isinstance(value, Check))
    _validate(checks)
    constants = {name: module.__dict__[name] for name in _CONSTANTS if name in module.__dict__}
    for name, value in constants.items():
        if name == "SOURCES" and isinstance(value, (list, tuple)) and value:
            continue
        if not isinstance(value, _CONSTANTS[name]):
            raise GraderError(f"grader.py: {name} = {value!r} makes no sense")
    return Grader(tuple(dict.fromkeys(checks)), constants)


def _validate(checks: Sequence[Check]) -> None:
    if not checks:
        raise GraderError("grader.py has no checks")
    seen: dict[str, Check] = {}
    for check in dict.fromkeys(checks):
        if seen.setdefault(check.title, check) is not check:
            raise GraderError(f"grader.py has two checks {check.title!r}")
        for needed in check.depends_on:
            if needed not in seen.values():
                raise GraderError(f"check {check.title!r} depends on one that comes after it")


def read_title(readme: Path) -> str | None:
    """The first ``# `` heading of a Markdown file, ``None`` without one."""
    try:
        with readme.open(encoding="utf-8") as lines:
            return next((line[2:].strip() for line in lines if line.startswith("# ")), None)
    except (OSError, UnicodeDecodeError):
        return None


def read_order(readme: Path) -> dict[str, int]:
    """Name → place in the table of a chapter's README (``| name | what one learns |``); a missing file has none."""
    try:
        text = readme.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: place for place, name in enumerate(re.findall(r"^\|\s*([\w-]+)\s*\|", text, re.MULTILINE))}


def refuse_odd_files(root: Path, paths: Iterable[Path]) -> None:
    """Raises SubmissionError for a link to something outside the submission, which messages would show, and for a device or pipe."""
    inside = root.resolve()
    for path in paths:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise SubmissionError(f"{path.name} is no regular file")
        if path.exists() and not path.resolve().is_relative_to(inside):
            raise SubmissionError(f"{path.name} is a link that leads out of the submission")


def read_source(path: Path) -> bytes:
    """A source file's bytes. Raises SubmissionError with words for a student when it is none."""
    name = path.name
    try:
        if path.is_dir():
            raise SubmissionError(f"{name} is a directory, not a file")
        if path.stat().st_size > LARGEST_FILE:
            raise SubmissionError(
                f"{name} is {path.stat().st_size:,} bytes long; at most {LARGEST_FILE:,} are read"
            )
        data = path.read_bytes()
    except FileNotFoundError:
        raise SubmissionError(f"{name} is missing") from None
    except OSError as error:
        raise SubmissionError(f"{name} can't be read: {error.strerror}") from error
    check_text(name, data)
    return data


def check_length(name: str, data: bytes) -> bytes:
    """The bytes themselves. Raises SubmissionError when they are more than a graded source may have."""
    if len(data) > LARGEST_SOURCE:
        raise SubmissionError(f"{name} is {len(data):,} bytes long; a source may have {LARGEST_SOURCE:,}")
    for number, line in enumerate(data.split(b"\n"), 1):
        if len(line) > LONGEST_LINE:
            raise SubmissionError(
                f"line {number} of {name} is {len(line):,} bytes long; a line may have {LONGEST_LINE:,}"
            )
    return data


def check_text(name: str, data: bytes) -> None:
    """Raises SubmissionError when the bytes are a program or another binary file instead of a source text."""
    if data.startswith(b"\x7fELF"):
        raise SubmissionError(f"{name} is an ELF file, already assembled; hand in its source text")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SubmissionError(f"{name} is UTF-16 text; save it as UTF-8")
    if data.startswith(b"\xef\xbb\xbf"):
        raise SubmissionError(
            f"{name} begins with a byte order mark, which nasm takes for code; save it without (UTF-8, no BOM)"
        )
    if not data.strip():
        raise SubmissionError(f"{name} is empty")
    position = data.find(b"\0")
    if position >= 0:
        raise SubmissionError(f"{name} is not a text file: it has a zero byte at offset {position}")


def read_folder(folder: Path) -> tuple[FileData, ...]:
    """Every file under a folder, by its name within. Links are not followed out of it; a missing folder has none."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found.append(FileData(path.relative_to(folder).as_posix(), path.read_bytes()))
    return tuple(found)


def _includes(folders: Iterable[Path]) -> Iterable[FileData]:
    seen: set[str] = set()
    for folder in folders:
        for path in sorted([*folder.glob("*.inc"), *folder.glob("*.mac")]):
            if path.is_file() and path.name not in seen:
                seen.add(path.name)
                yield FileData(path.name, read_source(path))


# -- the course ------------------------------------------------------------------------------------------------


def find_course(start: Path) -> Path:
    """The nearest ``exercises/`` upwards from ``start``, else the installed course. Raises CourseError."""
    for folder in (start, *start.parents):
        if folder.name == "exercises" and _has_exercises(folder):
            return folder
        if _has_exercises(folder / "exercises"):
            return folder / "exercises"
    installed = installed_course()
    if installed is None:
        raise CourseError("no exercises/ folder here or above; `toolkit init DIR` makes one")
    return installed


def installed_course() -> Path | None:
    """The course inside the installed package (or of the checkout it runs from), ``None`` if it has none."""
    checkout = Path(__file__).resolve().parents[2] / "exercises"
    return packaged_course() or (checkout if _has_exercises(checkout) else None)


def packaged_course() -> Path | None:
    """The course inside the installed package, which is nobody's to work in; ``None`` in a checkout."""
    folder = Path(__file__).resolve().parents[1] / "course"
    return folder if _has_exercises(folder) else None


def _has_exercises(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*/*/grader.py"))


class Course:
    """All the exercises under one folder, by chapter and in the order of the chapter's table; those it leaves out come last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        found = [Exercise(path.parent) for path in sorted(self.folder.glob("*/*/grader.py"))]
        places = {
            chapter: read_order(self.folder / chapter / "README.md")
            for chapter in {each.chapter for each in found}
        }
        return tuple(
            sorted(found, key=lambda each: (each.chapter, places[each.chapter].get(each.name, len(found))))
        )

    @property
    def first_hour(self) -> tuple[Exercise, ...]:
        """The exercises for somebody who looks in: those in the table of the course's README, if it has one."""
        places = read_order(self.folder / "README.md")
        return tuple(each for each in self.exercises if each.name in places)

    def select(
        self, targets: Sequence[str], word: str | None = None, base: Path | None = None
    ) -> tuple[Exercise, ...]:
        """What the command line's targets mean, each exercise once; no target: all. Raises CourseError."""
        chosen: dict[Exercise, None] = {}
        for target in targets:
            chosen |= dict.fromkeys(self.resolve(target, base))
        found: Iterable[Exercise] = chosen if targets else self.exercises
        if word is not None:
            found = [each for each in found if word.lower() in f"{each.identity} {each.title}".lower()]
            if not found:
                raise CourseError(f"no exercise matches -k {word}")
        return tuple(found)

    def resolve(self, target: str, base: Path | None = None) -> tuple[Exercise, ...]:
        """A path, a chapter, CHAPTER/NAME, or NAME where it is unique. Raises CourseError with the nearest names."""
        by_path = self._at_path(Path(base or ".", target))
        if by_path:
            return by_path
        name = target.strip("/").removesuffix(".asm")
        exact = [each for each in self.exercises if name in (each.identity, each.chapter)]
        if exact:
            return tuple(exact)
        named = [each for each in self.exercises if each.name == name]
        if len(named) == 1:
            return tuple(named)
        if named:
            raise CourseError(f"{target} is not unique: {' or '.join(each.identity for each in named)}")
        raise CourseError(f"no exercise or chapter {target}" + self._did_you_mean(name))

    def one(self, target: str) -> Exercise:
        """Exactly one exercise. Raises CourseError."""
        found = self.resolve(target)
        if len(found) != 1:
            raise CourseError(f"{target} is {len(found)} exercises; name one, such as {found[0].identity}")
        return found[0]

    def _at_path(self, path: Path) -> tuple[Exercise, ...]:
        if not path.exists():
            return ()
        path = path.resolve()
        for folder in (path, *path.parents):
            if (folder / "grader.py").is_file() and folder.parent.parent.name:
                return (Exercise(folder),)
        inside = sorted(path.glob("*/grader.py")) or sorted(path.glob("*/*/grader.py"))
        inside = inside or sorted(path.glob("exercises/*/*/grader.py"))
        return tuple(Exercise(grader.parent) for grader in inside)

    def _did_you_mean(self, name: str) -> str:
        meant = {each.name: each.identity for each in self.exercises}
        meant |= {form: form for each in self.exercises for form in (each.identity, each.chapter)}
        close = difflib.get_close_matches(name.lower(), sorted(meant), n=6, cutoff=0.5)
        once = {meant[each]: each for each in reversed(close)}  # the nearest form of each
        near = [each for each in close if each in once.values()][:3]
        return f"; did you mean {', '.join(near)}?" if near else "; `toolkit list` shows them all"
