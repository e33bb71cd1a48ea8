"""What several commands share: finding exercises, writing results, reading a program's file."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from toolkit.grading.exercise import Course, Exercise
    from toolkit.kernel.fs.changes import Change


class UserError(click.UsageError):
    """What was asked for can't be done, though it was asked for in the right way: said without the usage lines. Status 2."""

    def show(self, file: IO[str] | None = None) -> None:
        click.echo(f"toolkit: {self.format_message()}", file=file, err=file is None)


def find_course() -> Course:
    """The course around the current directory, or the installed one. Raises UserError."""
    from toolkit.grading import exercise

    try:
        return exercise.Course(exercise.find_course(Path.cwd()))
    except exercise.CourseError as error:
        raise UserError(str(error)) from error


def find_exercises(targets: Sequence[str], word: str | None = None) -> tuple[Exercise, ...]:
    """What the targets mean. Raises UserError with what may have been meant."""
    from toolkit.grading.exercise import CourseError

    try:
        return find_course().select(targets, word)
    except CourseError as error:
        raise UserError(str(error)) from error


def find_exercise(target: str) -> Exercise:
    """Exactly one exercise. Raises UserError."""
    from toolkit.grading.exercise import CourseError

    try:
        return find_course().one(target)
    except CourseError as error:
        raise UserError(str(error)) from error


@contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file. Raises UserError when it can't be written."""
    if path is None or str(path) == "-":
        yield sys.stdout
        return
    try:
        stream = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from error
    with stream:
        yield stream


def write_output(text: str, path: Path | None) -> None:
    """Print a whole result. Raises UserError."""
    with open_output(path) as stream:
        stream.write(text)


def open_source(path: Path) -> bytes:
    """A source file's bytes. Raises UserError with a clear word for what is no source text."""
    from toolkit.grading.exercise import SubmissionError, read_source

    try:
        return read_source(path)
    except SubmissionError as error:
        raise UserError(str(error).replace(path.name, str(path), 1)) from error


def read_binary(path: Path) -> bytes:
    """A file's bytes. Raises UserError."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a directory")
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from error


def write_bytes(path: Path, data: bytes, *, executable: bool = False) -> None:
    """Write a file. Raises UserError."""
    try:
        path.write_bytes(data)
        if executable:
            path.chmod(path.stat().st_mode | 0o111)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from error


def in_shell(path: Path) -> str:
    """A path as it is typed after a command: in quotes where it needs them."""
    import shlex

    text = str(path)
    if sys.platform == "win32":
        return f'"{text}"' if " " in text else text
    return shlex.quote(text)


def keep_backup(path: Path) -> Path:
    """Copy a file to the first free name of NAME.backup, NAME.backup.2 … Raises OSError."""
    import shutil

    number = 1
    backup = path.with_name(f"{path.name}.backup")
    while backup.exists():
        number += 1
        backup = path.with_name(f"{path.name}.backup.{number}")
    shutil.copy2(path, backup)
    return backup


def parse_size(text: str) -> int:
    """``64M`` in bytes; suffixes K, M, G. Raises UserError."""
    import re

    match = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise UserError(f"{text!r} is no size: write a number with K, M or G")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()]


def write_back(changes: Iterable[Change], root: Path) -> None:
    """Carry out below a host directory what the program did there. Raises UsageError when the host refuses."""
    for change in changes:
        target = root / os.fsdecode(change.path)
        if not target.parent.resolve().is_relative_to(root.resolve()):
            click.echo(f"toolkit: {target} is not written: it would leave {root}", err=True)
            continue
        try:
            _carry_out(change, target)
        except OSError as error:
            raise click.UsageError(f"{target} can't be changed: {error.strerror}") from error


def _carry_out(change: Change, target: Path) -> None:
    there = target.is_symlink() or target.exists()
    same = {"directory": target.is_dir(), "file": target.is_file(), "mode": True}.get(change.kind, False)
    if there and (target.is_symlink() or not same):
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink()
    if change.kind == "directory":
        target.mkdir(exist_ok=True)
    elif change.kind == "file":
        target.write_bytes(change.data)
    elif change.kind == "link":
        target.symlink_to(os.fsdecode(change.data))
    if change.kind in ("directory", "file", "mode"):
        target.chmod(change.mode)
