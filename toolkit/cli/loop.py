"""The student's loop: ``start``, ``show``, ``hint``, ``progress``, ``reset``, ``solution``."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from toolkit.cli.progress_file import ProgressFile
    from toolkit.grading.exercise import Course, Exercise

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@click.command(
    "start", epilog="\b\nExamples:\n  toolkit start\n  toolkit start my-course\n  toolkit start --vscode\n"
)
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("--vscode", is_flag=True, help="Write .vscode/tasks.json: check, hint and run by a key.")
def start_command(directory: Path | None, vscode: bool) -> None:
    """Put the course into DIRECTORY (if it isn't there yet) and say what to do first.

    Without DIRECTORY: the course around the current directory, or a new folder asm-course.
    """
    from toolkit.cli.common import in_shell
    from toolkit.cli.progress_file import load_with_notice
    from toolkit.grading.exercise import Course

    folder = _own_course(directory)
    if not folder.is_dir():
        _copy_course(folder)
    if vscode:
        from toolkit.cli.vscode import write_tasks

        write_tasks(folder.parent)
    course = Course(folder)
    progress = load_with_notice(folder)
    following = next_exercise(course.exercises, progress)
    if following is None:
        click.echo("You have passed every exercise.")
        return
    here = folder.parent.resolve()
    if here != Path.cwd():
        click.echo(f"First: cd {in_shell(folder.parent)}")
    source = (following.folder / following.source_names[0]).resolve().relative_to(here)
    click.echo(f"Next: {following.identity}: {following.title}")
    opens = following == next(each for each in course.exercises if each.chapter == following.chapter)
    chapter = (f"toolkit show {following.chapter}", "what the chapter is about")
    steps = (
        *((chapter,) if opens and (following.folder.parent / "README.md").is_file() else ()),
        (f"toolkit show {following.identity}", "read the task"),
        (f"edit {source}", "in any editor"),
        (f"toolkit check {following.identity} --watch", "see what is left to do, whenever you save"),
        (f"toolkit hint {following.identity}", "when you are stuck"),
    )
    width = max(len(command) for command, _ in steps)
    for command, purpose in steps:
        click.echo(f"  {command:<{width}}  {purpose}")
    if course.first_hour and not any(progress.passed(each.identity) for each in course.exercises):
        click.echo(f"Only an hour? Take these: {', '.join(each.identity for each in course.first_hour)}.")


def _copy_course(folder: Path) -> None:
    from toolkit.cli.common import UserError
    from toolkit.cli.course import copy_new
    from toolkit.grading.exercise import installed_course

    source = installed_course()
    if source is None:
        raise click.ClickException("this installation carries no course")
    try:
        copy_new(source, folder)
    except OSError as error:
        raise UserError(
            f"{folder} can't be written: {error.strerror}; `toolkit start DIRECTORY` takes another place"
        ) from error
    click.echo(f"The course is in {folder.parent.resolve()}.")


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


def next_exercise(exercises: Sequence[Exercise], progress: ProgressFile) -> Exercise | None:
    """The first exercise that was not passed yet."""
    return next((each for each in exercises if not progress.passed(each.identity)), None)


def named_or_next(name: str | None) -> Exercise:
    """The exercise named; without a name the one around the current directory, or the next that is not passed. Raises UserError."""
    from toolkit.cli.common import UserError, find_course, find_exercise
    from toolkit.cli.progress_file import load_with_notice

    if name is not None:
        return find_exercise(name)
    course = find_course()
    here = [each for each in course.exercises if each.folder in (Path.cwd(), *Path.cwd().parents)]
    found = here[0] if here else next_exercise(course.exercises, load_with_notice(course.folder))
    if found is None:
        raise UserError("you have passed every exercise; name the one you mean")
    return found


@click.command(
    "show",
    epilog="\b\nExamples:\n  toolkit show\n  toolkit show mmap\n  toolkit show ch04/mmap --lang ru\n  toolkit show ch04\n",
)
@click.argument("target", metavar="[EX]", required=False)
@click.option("--lang", help="Language of the text where there is one: en, ru.")
def show_command(target: str | None, lang: str | None) -> None:
    """Read an exercise's task in the terminal, or what a chapter is about.

    Without EX: the exercise in this folder, or the next one.
    """
    from toolkit.cli.common import find_course

    chapters = {each.chapter for each in find_course().exercises}
    if target is not None and target.strip("/") in chapters:
        _print_readme(find_course().folder / target.strip("/"), lang)
        click.echo(f"\n`toolkit list {target.strip('/')}` shows which of them you have passed.")
        return
    found = named_or_next(target)
    _print_readme(found.folder, lang)
    click.echo()
    for name in found.source_names:
        click.echo(f"File to edit: {nearest(found.folder / name)}")


def nearest(path: Path) -> str:
    """A path as one would type it from here, where that is shorter."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return min(str(path), relative, key=len)


def _print_readme(folder: Path, lang: str | None) -> None:
    path = readme(folder, lang)
    if lang and lang != "en" and path.name == "README.md":
        click.echo(f"toolkit: {folder.name} is not written in {lang!r}; here it is in English", err=True)
    print_markdown(path.read_text(encoding="utf-8"))


def readme(folder: Path, lang: str | None) -> Path:
    """The README in the language asked for, or the locale's, or English. Raises UserError when there is none."""
    from toolkit.cli.common import UserError

    language = lang or _locale_language()
    for path in (folder / f"README.{language}.md", folder / "README.md"):
        if path.is_file():
            return path
    raise UserError(f"{folder.name} has no README.md")


def _locale_language() -> str:
    value = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return value[:2].lower() or "en"


def print_markdown(text: str) -> None:
    """Rendered on a terminal, as it stands elsewhere. Code keeps its lines: the terminal breaks those that are too long for it."""
    from toolkit.grading.pretty import terminal_console

    console = terminal_console(sys.stdout)
    if console is None:
        click.echo(text.rstrip("\n"))
        return
    from rich.markdown import Markdown
    from rich.syntax import Syntax

    prose, *fenced = _FENCED.split(text)
    console.print(Markdown(prose))
    for language, code, prose in zip(fenced[::3], fenced[1::3], fenced[2::3], strict=True):
        syntax = Syntax(code, language or "text", background_color="default")
        console.print()
        console.print(syntax.highlight(textwrap.indent(code, "  ")), soft_wrap=True)
        console.print(Markdown(prose))


@click.command(
    "hint", epilog="\b\nExamples:\n  toolkit hint\n  toolkit hint mmap\n  toolkit hint mmap --all\n"
)
@click.argument("exercise", metavar="[EX]", required=False)
@click.option("--all", "everything", is_flag=True, help="All hints at once.")
@click.option("--again", is_flag=True, help="Begin with the first hint again.")
def hint_command(exercise: str | None, everything: bool, again: bool) -> None:
    """Give the next hint of an exercise; each one says a little more.

    Without EX: of the exercise in this folder, or of the next one.
    """
    from toolkit.cli.progress_file import load_with_notice

    found = named_or_next(exercise)
    progress = load_with_notice(found.folder.parent.parent)
    print_hint(found, progress, everything=everything, again=again)
    if not progress.save():
        click.echo(f"toolkit: {progress.cannot_save}", err=True)
    elif not progress.writable and not progress.notice and not everything:
        click.echo(
            "toolkit: this is the course inside the package, where the hints you have seen are not kept: --all shows them"
            " all, and `toolkit start DIRECTORY` makes a course of your own",
            err=True,
        )


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
            f"That was the last of {len(hints)} hints. `toolkit hint {exercise.identity} --again` begins anew,"
            f" and `toolkit solution {exercise.identity} --anyway` shows a solution."
        )
        return
    for number in chosen:
        if number > chosen[0]:
            click.echo()
        print_markdown(
            f"## Hint {number + 1} of {len(hints)}: {hints[number].heading}\n\n{hints[number].text}"
        )
    progress.update(exercise.identity, hints=chosen[-1] + 1)


@click.command("progress", epilog="\b\nExample:\n  toolkit progress\n")
def progress_command() -> None:
    """Show how far you have come: a bar for each chapter."""
    from toolkit.cli.common import find_course
    from toolkit.cli.progress_file import load_with_notice

    course = find_course()
    progress = load_with_notice(course.folder)
    for line in progress_lines(course, progress):
        click.echo(line)


def progress_lines(course: Course, progress: ProgressFile) -> list[str]:
    """A bar for each chapter, the sum, and what comes next."""
    from toolkit.grading.exercise import read_title

    chapters: dict[str, list[Exercise]] = {}
    for exercise in course.exercises:
        chapters.setdefault(exercise.chapter, []).append(exercise)
    lines = []
    for chapter, exercises in chapters.items():
        passed = sum(progress.passed(each.identity) for each in exercises)
        bar = "#" * (20 * passed // len(exercises) or bool(passed))
        title = (read_title(course.folder / chapter / "README.md") or "").split(": ", 1)[-1]
        lines.append(f"{chapter:<8} [{bar:<20}] {passed:>2}/{len(exercises):<2}  {title}".rstrip())
    total = sum(progress.passed(each.identity) for each in course.exercises)
    lines.append(f"{total} of {len(course.exercises)} exercises passed.")
    following = next_exercise(course.exercises, progress)
    lines.append(
        f"Next: toolkit show {following.identity}" if following else "You have passed every exercise."
    )
    return lines


@click.command("reset", epilog="\b\nExample:\n  toolkit reset mmap\n")
@click.argument("exercise", metavar="EX")
def reset_command(exercise: str) -> None:
    """Put the starter file back; yours is kept as a backup beside it.

    The starter is the installed course's. In a checkout, where that is the file you edit, it is the last commit's.
    """
    from toolkit.cli.common import UserError, find_exercise
    from toolkit.cli.starters import starter

    found = find_exercise(exercise)
    for name in found.source_names:
        data = starter(found, name)
        if data is None:
            raise UserError(
                f"the starter of {found.identity} is not known: {found.folder} is in no installed course and no git commit"
            )
        _reset_file(data, found.folder / name)


def _reset_file(data: bytes, own: Path) -> None:
    from toolkit.cli.common import UserError, keep_backup

    try:
        if own.exists() and own.read_bytes() == data:
            click.echo(f"{own.name} is the starter already")
            return
        kept = f"; yours is kept as {keep_backup(own).name}" if own.exists() else ""
        own.write_bytes(data)
    except OSError as error:
        raise UserError(f"{own} can't be written: {error.strerror}") from error
    click.echo(f"{own.name} is the starter again{kept}")


@click.command("solution", epilog="\b\nExample:\n  toolkit solution mmap\n")
@click.argument("exercise", metavar="EX")
@click.option("--anyway", is_flag=True, help="Also when it was not passed yet.")
def solution_command(exercise: str, anyway: bool) -> None:
    """Show the reference solution of an exercise you passed."""
    from toolkit.cli.common import UserError, find_exercise
    from toolkit.cli.progress_file import load_with_notice

    found = find_exercise(exercise)
    progress = load_with_notice(found.folder.parent.parent)
    if not anyway and not progress.passed(found.identity):
        raise UserError(
            f"{found.identity} is not passed yet: `toolkit hint {found.identity}` helps; --anyway shows the solution"
        )
    for file in found.reference().sources:
        click.echo(f"; ---- {file.name}\n" + file.data.decode(errors="replace"))
