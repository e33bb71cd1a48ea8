"""``toolkit similar``: rank pairs of alike submissions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.cli.class_common import missing_extra, pack_exercises, printable
from toolkit.cli.class_options import submissions_argument, targets_option

if TYPE_CHECKING:
    from toolkit.classroom.similarity import Pair

EPILOG = """\b
Examples:
  toolkit similar submissions/ -e ch04/mmap
  toolkit similar submissions/ -e ch04 --threshold 0.7 --html out/
"""


@click.command("similar", epilog=EPILOG)
@submissions_argument
@targets_option
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Least similarity that is shown.",
)
@click.option(
    "--most", type=click.IntRange(1), default=50, show_default=True, help="Pairs shown for each exercise."
)
@click.option(
    "--html",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the pairs side by side into this folder.",
)
def similar_command(
    submissions: tuple[Path, ...], targets: tuple[str, ...], threshold: float, most: int, folder: Path | None
) -> None:
    """Rank pairs of alike submissions.

    Other names of registers and labels, other comments, another order of functions and padding with nops don't hide a copy.
    What the starter has and what most submissions share is ignored. A pair is a place to look, not a verdict.
    """
    from toolkit.classroom.alike import sources_by_student
    from toolkit.classroom.intake import IntakeError, find_attempts
    from toolkit.classroom.similarity import rank

    try:
        attempts = find_attempts(submissions)
    except IntakeError as error:
        raise click.UsageError(str(error)) from error
    found = False
    for exercise in pack_exercises(targets):
        sources = sources_by_student(exercise, attempts)
        starters = [file.data.decode(errors="replace") for file in exercise.starter]
        for pair in rank(sources, exercise.identity, starters, threshold)[:most]:
            found = True
            click.echo(
                f"{100 * pair.similarity:3.0f} %  {exercise.identity}  {printable(pair.left)}  {printable(pair.right)}"
            )
            if folder is not None:
                _write_pair(folder, pair, sources)
    if not found:
        click.echo(f"no pair is {100 * threshold:.0f} % alike or more")


def _write_pair(folder: Path, pair: Pair, sources: dict[str, str]) -> None:
    try:
        from toolkit.classroom.reports import file_name, side_by_side
    except ImportError as error:
        raise missing_extra(error) from error
    folder.mkdir(parents=True, exist_ok=True)
    names = "-".join(file_name(each) for each in (pair.exercise, pair.left, pair.right))
    text = side_by_side(pair, sources[pair.left], sources[pair.right])
    (folder / f"{names}.html").write_text(text, encoding="utf-8")
