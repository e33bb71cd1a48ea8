"""``toolkit check``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.cli.class_options import disclosure_options
from toolkit.grading.formats import FORMATS, VISIBILITIES

if TYPE_CHECKING:
    from toolkit.grading.disclosure import Disclosure
    from toolkit.grading.exercise import Exercise
    from toolkit.grading.report import ExerciseResult, Report
    from toolkit.grading.runner import Choice
    from toolkit.grading.sandbox import WorkerSandbox

EPILOG = """\b
Examples:
  toolkit check                       everything
  toolkit check ch04                  one chapter
  toolkit check ch04/mmap             one exercise; `mmap` is enough where unique
  toolkit check mmap --watch          again whenever a file is saved
  toolkit check ch04 --reference      the reference solutions instead of your files
  toolkit check mmap --submission my.asm
  toolkit check --format junit --output results.xml
Exit status: 0 all passed; 1 some failed; 2 wrong usage or an unreadable submission; 3 a fault of toolkit.
"""


@click.command("check", epilog=EPILOG)
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--format", "format_name", type=click.Choice(FORMATS), default="pretty", help="How to print the result."
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write the result to a file.")
@click.option("--watch", is_flag=True, help="Check again whenever a file is saved.")
@click.option(
    "--jobs", "-j", type=click.IntRange(1), help="Worker processes (default: by the work and the processors)."
)
@click.option("--reference", is_flag=True, help="Grade the reference solutions.")
@click.option("--submission", type=click.Path(path_type=Path), help="Grade this file or folder instead.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first check that does not pass.")
@click.option("-k", "word", metavar="WORD", help="Only exercises whose name or title has this word.")
@click.option("--seed", type=int, default=0, help="Seed of everything that is left to chance.")
@disclosure_options
def check_command(
    targets: tuple[str, ...],
    format_name: str,
    output: Path | None,
    watch: bool,
    jobs: int | None,
    reference: bool,
    submission: Path | None,
    fail_fast: bool,
    word: str | None,
    seed: int,
    shown: tuple[str, ...],
    level: str,
) -> None:
    """Assemble, link and run your programs, and grade what they do.

    TARGET is a chapter (ch04), an exercise (ch04/mmap, or mmap), or a path; without one, everything is graded.
    Checks that are not shown don't count, in the points and the exit status; Gradescope is told all, and hides them itself.
    """
    from toolkit.cli.common import find_exercises
    from toolkit.grading.sandbox import WorkerSandbox

    sandbox = WorkerSandbox()  # first, so that it starts while we look for the exercises
    try:
        exercises = find_exercises(targets, word)
        if submission is not None:
            _check_submission(submission, exercises)
        from toolkit.grading.runner import Choice

        choice = Choice(reference, submission, seed, fail_fast)
        disclosure = _disclosure(shown, level, format_name)
        if watch:
            from toolkit.cli.watch import watch_exercises

            watch_exercises(exercises, choice, sandbox, disclosure)
            return
        workers = jobs or default_jobs(len(exercises))
        report = _grade(exercises, choice, sandbox, workers, disclosure, format_name, output)
    finally:
        sandbox.close()
    if not (reference or submission):
        from toolkit.cli.progress_file import remember

        remember(exercises, report)
    if format_name == "pretty" and output is None:
        _say_what_is_next(exercises, choice, report)
    raise click.exceptions.Exit(report.exit_status)


def _say_what_is_next(exercises: Sequence[Exercise], choice: Choice, report: Report) -> None:
    from toolkit.cli.next_step import about_submission, next_steps

    if choice.submission is not None and report.exit_status and len(exercises) == 1:
        lines = about_submission(exercises[0], choice.submission)
    elif choice.submission is None and not choice.reference:
        lines = next_steps(exercises, report)
    else:
        return
    for line in lines:
        click.echo(line)


def _disclosure(shown: Sequence[str], level: str, format_name: str) -> Disclosure:
    """What the reader learns; a Gradescope document says of each check who may see it."""
    from toolkit.grading.disclosure import VISIBLE, Disclosure

    everything = VISIBILITIES if format_name == "gradescope" else VISIBLE
    return Disclosure(level, frozenset(shown or everything))


EXERCISES_PER_WORKER = 16  # starting a worker costs as much as grading so many


def default_jobs(exercises: int) -> int:
    """As many workers as pay for their start, at most one for each processor."""
    return max(1, min(os.cpu_count() or 1, exercises // EXERCISES_PER_WORKER))


def _check_submission(submission: Path, exercises: Sequence[Exercise]) -> None:
    from toolkit.cli.common import UserError

    if not submission.exists():
        raise UserError(f"{submission} does not exist")
    if submission.is_file() and len(exercises) > 1:
        raise UserError("--submission FILE needs one exercise as TARGET")


def _grade(
    exercises: Sequence[Exercise],
    choice: Choice,
    sandbox: WorkerSandbox,
    jobs: int,
    disclosure: Disclosure,
    format_name: str,
    output: Path | None,
) -> Report:
    """What is shown of the grading, and show it."""
    from toolkit.grading.runner import grade

    if format_name == "pretty":
        return _grade_pretty(exercises, choice, sandbox, jobs, disclosure, output)
    report = disclosure.report(grade(exercises, choice, sandbox, jobs))
    from toolkit.cli.common import write_output
    from toolkit.grading.export import export

    write_output(export(report, format_name), output)
    return report


def _grade_pretty(
    exercises: Sequence[Exercise],
    choice: Choice,
    sandbox: WorkerSandbox,
    jobs: int,
    disclosure: Disclosure,
    output: Path | None,
) -> Report:
    from toolkit.cli.common import open_output
    from toolkit.grading.pretty import PrettyPrinter
    from toolkit.grading.runner import grade

    with open_output(output) as stream:
        printer = PrettyPrinter(stream, total=len(exercises), progress=sys.stderr)

        def show(result: ExerciseResult) -> None:
            printer.show(disclosure.result(result))

        report = disclosure.report(grade(exercises, choice, sandbox, jobs, show))
        printer.finish(report)
    return report
