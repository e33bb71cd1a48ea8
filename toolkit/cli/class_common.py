"""What the commands on a class share: packed exercises, the gradebook, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from toolkit.classroom.gradebook import StudentLine
    from toolkit.classroom.packing import PackedExercise
    from toolkit.classroom.store import Store
    from toolkit.cli.class_options import Output, Rules


def missing_extra(error: ImportError) -> click.UsageError:
    """The error for an extra that is not installed."""
    return click.UsageError(f"this command needs {error.name}: pip install 'toolkit[classroom]'")


def printable(text: str) -> str:
    """Text of a submission in one line, without anything that acts on a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)[:300]


def pack_exercises(targets: Sequence[str], graders: Path | None = None) -> list[PackedExercise]:
    """The exercises that the targets mean, as data. Raises UsageError."""
    from toolkit.classroom.packing import pack
    from toolkit.cli.common import find_exercises
    from toolkit.grading.checks import BrokenCheck

    if graders is not None and not graders.is_dir():
        raise click.UsageError(f"--graders: {graders} is no folder")
    packed = []
    for exercise in find_exercises(targets):
        try:
            packed.append(pack(exercise, graders))
            packed[-1].grader  # noqa: B018 - a grader that can't be loaded is told before anything is graded
        except (BrokenCheck, OSError) as error:
            raise click.UsageError(f"{exercise.identity}: {error}") from error
    return packed


def open_book(store: Store, name: str, rules: Rules) -> list[StudentLine]:
    """The gradebook of a grading, by the rules of its grading where no others are given; empty if there is none of the name."""
    from toolkit.classroom.gradebook import make_gradebook

    session_id = store.session_id(name)
    if session_id is None:
        return []
    settings = store.settings(session_id)
    rules = rules.or_as(settings.get("rules", {}))
    return make_gradebook(store.graded(session_id), rules.deadline, rules.policy, settings.get("maxima", {}))


def write_reports(book: Sequence[StudentLine], name: str, output: Output) -> None:
    """HTML pages, where they are wanted. Raises UsageError."""
    if output.reports is None:
        return
    try:
        from toolkit.classroom import reports

        index = reports.write_reports(output.reports, book, name, output.disclosure)
    except ImportError as error:
        raise missing_extra(error) from error
    except OSError as error:
        raise click.UsageError(f"{output.reports} can't be written: {error.strerror}") from error
    click.echo(f"reports: {index}", err=True)


def print_book(book: Sequence[StudentLine], name: str, output: Output) -> None:
    """The gradebook in the format that is wanted. Raises UsageError."""
    from toolkit.cli.common import open_output, write_output

    if output.format_name != "pretty":
        from toolkit.classroom.exports import export

        write_output(export(book, output.format_name, name), output.file)
        return
    from toolkit.cli.class_table import show_book

    with open_output(output.file) as stream:
        show_book(book, stream)
