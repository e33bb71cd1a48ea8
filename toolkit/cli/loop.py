"""The student's loop: ``start``, ``show``, ``hint``, ``progress``, ``reset``, ``solution``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from toolkit.cli.progress_file import ProgressFile
    from toolkit.grading.exercise import Exercise

TASKS = {
    "version": "2.0.0",
    "tasks": [
        {
            "label": "toolkit: check this exercise",
            "type": "shell",
            "command": "toolkit",
            "args": ["check", "${fileDirname}"],
            "group": {"kind": "build", "isDefault": True},
            "presentation": {"clear": True},
            "problemMatcher": {
                "owner": "toolkit",
                "fileLocation": ["autodetect", "${fileDirname}"],
                "pattern": {
                    "regexp": "^\\s*(?:where:\\s+)?([^:\\s]+\\.(?:asm|inc|mac)):(\\d+):(?:(\\d+):)?\\s*(?:(error|warning|note):\\s*)?(.*)$",
                    "file": 1,
                    "line": 2,
                    "column": 3,
                    "severity": 4,
                    "message": 5,
                },
            },
        },
        {
            "label": "toolkit: run this program",
            "type": "shell",
            "command": "toolkit",
            "args": ["run", "${file}"],
            "presentation": {"clear": True},
            "problemMatcher": [],
        },
    ],
}


@click.command(
    "start", epilog="\b\nExamples:\n  toolkit start\n  toolkit start my-course\n  toolkit start --vscode\n"
)
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("--vscode", is_flag=True, help="Write .vscode/tasks.json: check and run by a key.")
def start_command(directory: Path | None, vscode: bool) -> None:
    """Put the course into DIRECTORY (if it isn't there yet) and say what to do first.

    Without DIRECTORY: the course around the current directory, or a new folder asm-course.
    """
    from toolkit.cli.course import copy_new
    from toolkit.cli.progress_file import load_with_notice
    from toolkit.grading.exercise import Course, installed_course

    folder = _own_course(directory)
    if not folder.is_dir():
        source = installed_course()
        if source is None:
            raise click.ClickException("this installation carries no course")
        try:
            copy_new(source, folder)
        except OSError as error:
            raise click.UsageError(f"{folder} can't be written: {error.strerror}") from error
        click.echo(f"The course is in {folder.parent}.")
    if vscode:
        write_tasks(folder.parent)
    course = Course(folder)
    following = next_exercise(course.exercises, load_with_notice(folder))
    if following is None:
        click.echo("You have passed every exercise.")
        return
    if folder.parent.resolve() != Path.cwd():
        click.echo(f"First: cd {folder.parent}")
    click.echo(f"Next: {following.identity}: {following.title}")
    click.echo(f"  toolkit show {following.identity}     read the task")
    click.echo(f"  edit {following.folder / following.source_names[0]}")
    click.echo(f"  toolkit check {following.identity}    see what is left to do")


def _own_course(directory: Path | None) -> Path:
    """Where the student's course is or shall be; never the one inside the package."""
    from toolkit.grading.exercise import CourseError, find_course, installed_course

    if directory is not None:
        return directory / "exercises"
    try:
        folder = find_course(Path.cwd())
    except CourseError:
        return Path("asm-course") / "exercises"
    near = folder.parent in (Path.cwd(), *Path.cwd().parents) or folder in (Path.cwd(), *Path.cwd().parents)
    return folder if near or folder != installed_course() else Path("asm-course") / "exercises"


def write_tasks(folder: Path) -> None:
    """Write .vscode/tasks.json, keeping one that differs as a backup. Raises UsageError."""
    path = folder / ".vscode" / "tasks.json"
    text = json.dumps(TASKS, indent=2) + "\n"
    try:
        if path.exists() and path.read_text(encoding="utf-8") != text:
            click.echo(f"{path.name} of yours is kept as {keep_backup(path).name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{path} can't be written: {error.strerror}") from error
    click.echo(f"{path} is written: Ctrl-Shift-B checks the exercise you are editing.")


def next_exercise(exercises: Sequence[Exercise], progress: ProgressFile) -> Exercise | None:
    """The first exercise that was not passed yet."""
    return next((each for each in exercises if not progress.passed(each.identity)), None)


@click.command("show", epilog="\b\nExamples:\n  toolkit show mmap\n  toolkit show ch04/mmap --lang ru\n")
@click.argument("exercise", metavar="EX")
@click.option("--lang", help="Language of the text where there is one: en, ru.")
def show_command(exercise: str, lang: str | None) -> None:
    """Read an exercise's task in the terminal."""
    from toolkit.cli.common import find_exercise

    found = find_exercise(exercise)
    path = readme(found.folder, lang)
    print_markdown(path.read_text(encoding="utf-8"))
    click.echo(f"File to edit: {found.folder / found.source_names[0]}")


def readme(folder: Path, lang: str | None) -> Path:
    """The README in the language asked for, or the locale's, or English. Raises UsageError when there is none."""
    language = lang or _locale_language()
    for path in (folder / f"README.{language}.md", folder / "README.md"):
        if path.is_file():
            return path
    raise click.UsageError(f"{folder.name} has no README.md")


def _locale_language() -> str:
    import os

    value = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return value[:2].lower() or "en"


def print_markdown(text: str) -> None:
    """Rendered on a terminal, as it stands elsewhere."""
    from toolkit.grading.pretty import terminal_console

    console = terminal_console(sys.stdout)
    if console is None:
        click.echo(text.rstrip("\n"))
        return
    from rich.markdown import Markdown

    console.print(Markdown(text))


@click.command("hint", epilog="\b\nExamples:\n  toolkit hint mmap\n  toolkit hint mmap --all\n")
@click.argument("exercise", metavar="EX")
@click.option("--all", "everything", is_flag=True, help="All hints at once.")
@click.option("--again", is_flag=True, help="Begin with the first hint again.")
def hint_command(exercise: str, everything: bool, again: bool) -> None:
    """Give the next hint of an exercise; each one says a little more."""
    from toolkit.cli.common import find_exercise
    from toolkit.cli.progress_file import load_with_notice

    found = find_exercise(exercise)
    progress = load_with_notice(found.folder.parent.parent)
    print_hint(found, progress, everything=everything, again=again)


def print_hint(
    exercise: Exercise, progress: ProgressFile, *, everything: bool = False, again: bool = False
) -> None:
    """The next hint, or all of them, or a kind word after the last."""
    from toolkit.grading.hints import read_hints

    hints = read_hints(exercise.folder)
    if not hints:
        click.echo(f"{exercise.identity} has no hints.")
        return
    seen = 0 if again else progress.hints(exercise.identity)
    if everything:
        chosen = range(len(hints))
    elif seen < len(hints):
        chosen = range(seen, seen + 1)
    else:
        click.echo(
            f"That was the last of {len(hints)} hints. `toolkit hint {exercise.identity} --again` begins anew."
        )
        return
    for number in chosen:
        print_markdown(
            f"## Hint {number + 1} of {len(hints)}: {hints[number].heading}\n\n{hints[number].text}"
        )
    progress.update(exercise.identity, hints=chosen[-1] + 1)
    progress.save()


@click.command("progress", epilog="\b\nExample:\n  toolkit progress\n")
def progress_command() -> None:
    """Show how far you have come: a bar for each chapter."""
    from toolkit.cli.common import find_course
    from toolkit.cli.progress_file import load_with_notice

    course = find_course()
    progress = load_with_notice(course.folder)
    chapters: dict[str, list[Exercise]] = {}
    for exercise in course.exercises:
        chapters.setdefault(exercise.chapter, []).append(exercise)
    for chapter, exercises in chapters.items():
        passed = sum(progress.passed(each.identity) for each in exercises)
        bar = "#" * round(20 * passed / len(exercises))
        click.echo(f"{chapter:<8} [{bar:<20}] {passed}/{len(exercises)}")
    following = next_exercise(course.exercises, progress)
    click.echo(f"Next: {following.identity}" if following else "You have passed every exercise.")


@click.command("reset", epilog="\b\nExample:\n  toolkit reset mmap\n")
@click.argument("exercise", metavar="EX")
def reset_command(exercise: str) -> None:
    """Put the starter file back; yours is kept as a backup beside it.

    The starter is the installed course's. In a checkout, where that is the file you edit, it is the last commit's.
    """
    from toolkit.cli.common import find_exercise
    from toolkit.cli.starters import starter

    found = find_exercise(exercise)
    for name in found.source_names:
        data = starter(found, name)
        if data is None:
            raise click.UsageError(
                f"the starter of {found.identity} is not known: {found.folder} is in no installed course and no git commit"
            )
        _reset_file(data, found.folder / name)


def _reset_file(data: bytes, own: Path) -> None:
    try:
        if own.exists() and own.read_bytes() == data:
            click.echo(f"{own.name} is the starter already")
            return
        kept = f"; yours is kept as {keep_backup(own).name}" if own.exists() else ""
        own.write_bytes(data)
    except OSError as error:
        raise click.UsageError(f"{own} can't be written: {error.strerror}") from error
    click.echo(f"{own.name} is the starter again{kept}")


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


@click.command("solution", epilog="\b\nExample:\n  toolkit solution mmap\n")
@click.argument("exercise", metavar="EX")
@click.option("--anyway", is_flag=True, help="Also when it was not passed yet.")
def solution_command(exercise: str, anyway: bool) -> None:
    """Show the reference solution of an exercise you passed."""
    from toolkit.cli.common import find_exercise
    from toolkit.cli.progress_file import load_with_notice

    found = find_exercise(exercise)
    progress = load_with_notice(found.folder.parent.parent)
    if not anyway and not progress.passed(found.identity):
        raise click.UsageError(
            f"{found.identity} is not passed yet: `toolkit hint {found.identity}` helps; --anyway shows the solution"
        )
    for file in found.reference().sources:
        click.echo(f"; ---- {file.name}\n" + file.data.decode(errors="replace"))
