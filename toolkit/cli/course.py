"""``toolkit list`` and ``toolkit init``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click


@click.command("list", epilog="\b\nExamples:\n  toolkit list\n  toolkit list ch04\n")
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
def list_command(targets: tuple[str, ...]) -> None:
    """List chapters and exercises; those you have passed are marked."""
    from toolkit.cli.common import find_exercises
    from toolkit.cli.progress_file import passed_exercises

    exercises = find_exercises(targets)
    passed = passed_exercises()
    width = max((len(exercise.identity) for exercise in exercises), default=0)
    for exercise in exercises:
        mark = "*" if exercise.identity in passed else " "
        click.echo(f"{mark} {exercise.identity:<{width}}  {exercise.title}")


@click.command("init", epilog="\b\nExample:\n  toolkit init asm-course && cd asm-course && toolkit start\n")
@click.argument("directory", type=click.Path(path_type=Path))
def init_command(directory: Path) -> None:
    """Copy the course out of the installed package into DIRECTORY/exercises.

    Files of yours that are there already are left alone.
    """
    from toolkit.cli.common import UserError, in_shell
    from toolkit.grading.exercise import installed_course

    source = installed_course()
    if source is None:
        raise click.ClickException("this installation carries no course")
    target = directory / "exercises"
    try:
        copied, kept = copy_new(source, target)
    except OSError as error:
        raise UserError(f"{error.filename or directory} can't be written: {error.strerror}") from error
    click.echo(
        f"{copied} files copied into {target}" + (f", {kept} that were there are left alone" if kept else "")
    )
    there = directory.resolve() == Path.cwd()
    click.echo("Next: toolkit start" if there else f"Next: cd {in_shell(directory)} && toolkit start")


def copy_new(source: Path, target: Path) -> tuple[int, int]:
    """Copy a tree without replacing anything: (files copied, files left alone). Raises OSError."""
    copied = kept = 0
    for path in sorted(source.rglob("*")):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        place = target / path.relative_to(source)
        if place.exists():
            kept += 1
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        copied += 1
    return copied, kept
