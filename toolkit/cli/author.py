"""``toolkit verify`` and ``toolkit new``."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(
    "verify",
    epilog="\b\nExamples:\n  toolkit verify\n  toolkit verify ch04/mmap\n  toolkit verify ch04/mmap --mutate\n  toolkit verify --mutate --jobs 2\n",
)
@click.argument("targets", nargs=-1, metavar="[EX]...")
@click.option(
    "--verbose",
    "-v",
    is_flag=True,
    help="Also print what holds, and the mutants that did the same as the reference.",
)
@click.option(
    "--mutate", is_flag=True, help="Also make mutants of each reference, and print how many are rejected."
)
@click.option("--jobs", "-j", type=click.IntRange(1), default=1, help="Exercises verified at the same time.")
def verify_command(targets: tuple[str, ...], verbose: bool, mutate: bool, jobs: int) -> None:
    """Prove that the starter fails, the reference passes, and every mutant is rejected by the check it names.

    With --mutate, survivors.md beside an exercise must list exactly the mutants that no check rejects, each with a reason.

    Exit status: 0 all proven; 1 something does not hold; 2 wrong usage; 3 something is broken.
    """
    from toolkit.cli.common import find_exercises
    from toolkit.cli.verification import Tally, verify_all

    tally = Tally()
    for found in verify_all(find_exercises(targets), mutate=mutate, jobs=jobs):
        tally.add(found)
        for line in found.lines(verbose=verbose):
            click.echo(line)
    for line in tally.lines():
        click.echo(line)
    raise click.exceptions.Exit(tally.exit_status)


_README = """# {title}

What is to be done, in a few sentences.

## Background

What a student needs to know for it.

## What is checked

| check | points |
|---|---|
| ends with status 0 | 1 |
"""

_SOURCE = """; {name}: what is to be done

global _start

section .text

_start:
    ; TODO
    mov eax, 60                         ; exit(1)
    mov edi, {status}
    syscall
"""

_GRADER = '''"""{name}."""

from toolkit.grading import check


@check("ends with status 0", points=1)
def ends(program):
    """Say to the student what is expected."""
    program.run().expect.exit(0)
'''

_HINTS = """## Where to begin
Something vague.

## One step on
Something more concrete.

## Almost all of it
Nearly the solution.
"""

_MUTANT = "; caught by: ends with status 0\n; What is wrong with this one.\n"


@click.command(
    "new", epilog="\b\nExample:\n  toolkit new ch04/my_exercise && toolkit verify ch04/my_exercise\n"
)
@click.argument("exercise", metavar="CHAPTER/NAME")
@click.option("--title", default="A title", help="The README's heading.")
def new_command(exercise: str, title: str) -> None:
    """Make an exercise's folder with every file it needs, to be filled in."""
    import re

    match = re.fullmatch(r"([a-z][a-z0-9_]*)/([a-z][a-z0-9_]*)", exercise)
    if match is None:
        raise click.UsageError(
            "write CHAPTER/NAME in small letters, digits and underscores, such as ch04/my_exercise"
        )
    folder = _course_folder() / match[1] / match[2]
    if folder.exists():
        raise click.UsageError(f"{folder} exists already")
    name = match[2]
    files = {
        "README.md": _README.format(title=title),
        f"{name}.asm": _SOURCE.format(name=name, status=1),
        "grader.py": _GRADER.format(name=name),
        "hints.md": _HINTS,
        f"reference/{name}.asm": _SOURCE.format(name=name, status=0)
        .replace("    ; TODO\n", "")
        .replace("exit(1)", "exit(0)"),
    }
    for number in (2, 3, 4, 5):
        files[f"mutants/wrong_{number}.asm"] = _MUTANT + _SOURCE.format(name=name, status=number)
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{folder} can't be written: {error.strerror}") from error
    click.echo(f"{folder} is made; edit it, then: toolkit verify {exercise}", file=sys.stdout)


def _course_folder() -> Path:
    """The course around the current directory, which is never the one inside the package; else a new one here."""
    from toolkit.grading.exercise import CourseError, find_course, installed_course

    try:
        folder = find_course(Path.cwd())
    except CourseError:
        return Path.cwd() / "exercises"
    inside = (
        Path.cwd() == folder
        or folder in Path.cwd().parents
        or folder.parent in (Path.cwd(), *Path.cwd().parents)
    )
    return folder if inside or folder != installed_course() else Path.cwd() / "exercises"
