"""``toolkit grade``: a whole class."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.cli.class_common import (
    missing_extra,
    open_book,
    pack_exercises,
    print_book,
    printable,
    write_reports,
)
from toolkit.cli.class_options import (
    database_option,
    output_options,
    rules_options,
    submissions_argument,
    targets_option,
)

if TYPE_CHECKING:
    from toolkit.classroom.gradebook import StudentLine
    from toolkit.classroom.jobs import GradeJob
    from toolkit.classroom.packing import PackedExercise
    from toolkit.classroom.roster import Student
    from toolkit.classroom.session import Plan, Settings
    from toolkit.classroom.store import Store
    from toolkit.cli.class_options import Output, Rules
    from toolkit.grading.report import ExerciseResult

EPILOG = """\b
Examples:
  toolkit grade submissions/ -e ch04              one folder, zip or file for each student
  toolkit grade export.zip -e ch04 --roster class.csv --report out/
  toolkit grade subs/ -e ch04 --due 2026-11-20T23:59 --late 10%/day --cutoff 7d
  toolkit grade subs/ -e ch04 --resume            go on where an interrupted run stopped
  toolkit grade subs/ -e ch04 --scheduler tcp://10.0.0.5:8786
Exit status: 0 all passed; 1 some failed; 2 wrong usage or unreadable submissions; 3 a fault of toolkit.
"""


@click.command("grade", epilog=EPILOG)
@submissions_argument
@targets_option
@click.option("--name", help="Name of this grading in the database. Default: the exercises' names.")
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1),
    default=lambda: os.cpu_count() or 1,
    help="Worker processes. Default: one for each core.",
)
@click.option("--scheduler", metavar="tcp://…", help="Grade on a Dask cluster instead.")
@database_option
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the newest grading in the database, by default with its exercises, graders, seeds and rules"
    " (what is graded is never graded again in any case).",
)
@click.option(
    "--roster", type=click.Path(path_type=Path), help="CSV of the class: id, name, email, and any aliases."
)
@click.option(
    "--graders",
    type=click.Path(path_type=Path, file_okay=False),
    help="Private folder whose CHAPTER/NAME/grader.py is used instead.",
)
@rules_options
@click.option("--seed", type=int, help="Seed of everything that is left to chance. Default: 0.")
@click.option("--own-seeds", is_flag=True, help="Give every student other drawn inputs.")
@output_options
def grade_command(
    submissions: tuple[Path, ...],
    targets: tuple[str, ...],
    name: str | None,
    jobs: int,
    scheduler: str | None,
    database: str,
    resume: bool,
    roster: Path | None,
    graders: Path | None,
    seed: int | None,
    own_seeds: bool,
    rules: Rules,
    output: Output,
) -> None:
    """Grade a class: folders, files, zip and tar archives, exports of Moodle, Canvas, Gradescope and GitHub Classroom."""
    try:
        from toolkit.classroom.session import Settings
        from toolkit.classroom.store import Store, StoreError
    except ImportError as error:
        raise missing_extra(error) from error
    try:
        with Store(database) as store:
            chosen = name or (_newest(store) if resume else None) or " ".join(targets) or "all"
            before = _settings_of(store, chosen) if resume else {}
            graders = graders or (Path(before["graders"]) if before.get("graders") else None)
            settings = Settings(
                chosen,
                seed if seed is not None else before.get("seed", 0),
                own_seeds or before.get("own_seeds", False),
                graders=graders,
                rules=rules.or_as(before.get("rules", {})).given,
                workers=jobs,
                scheduler=scheduler,
            )
            exercises = pack_exercises(targets or tuple(before.get("maxima", ())), graders)
            plan = _plan(submissions, exercises, roster, settings)
            _run(plan, store, settings)
            book = open_book(store, chosen, rules)
    except StoreError as error:
        raise click.UsageError(str(error)) from error
    write_reports(book, chosen, output)
    print_book(book, chosen, output)
    raise click.exceptions.Exit(_status(book))


def _newest(store: Store) -> str | None:
    names = store.sessions()
    return names[-1] if names else None


def _settings_of(store: Store, name: str) -> dict[str, Any]:
    session_id = store.session_id(name)
    return {} if session_id is None else store.settings(session_id)


def _plan(
    submissions: Sequence[Path], exercises: Sequence[PackedExercise], roster: Path | None, settings: Settings
) -> Plan:
    from toolkit.classroom.intake import IntakeError
    from toolkit.classroom.roster import read_roster
    from toolkit.classroom.session import make_plan

    try:
        students: tuple[Student, ...] = read_roster(roster) if roster is not None else ()
        plan = make_plan(submissions, exercises, students, settings)
    except IntakeError as error:
        raise click.UsageError(str(error)) from error
    for who in plan.unknown:
        click.echo(f"not on the roster: {printable(who)}", err=True)
    for who, notes in plan.notes.items():
        for note in notes[:5]:
            click.echo(f"{printable(who)}: {printable(note)}", err=True)
    return plan


def _run(plan: Plan, store: Store, settings: Settings) -> None:
    """Grade with a progress bar on a terminal. Raises UsageError when the cluster can't be used."""
    from toolkit.classroom.session import run_plan
    from toolkit.classroom.workers import ClusterError

    try:
        if not sys.stderr.isatty():
            run_plan(plan, store, settings)
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("grading", total=None)
            known = store.known(plan.jobs)
            bar.update(task, total=len(plan.jobs), completed=len(known))

            def advance(job: GradeJob, result: ExerciseResult) -> None:
                bar.advance(task)

            run_plan(plan, store, settings, advance)
    except ClusterError as error:
        raise click.UsageError(str(error)) from error


def _status(book: Sequence[StudentLine]) -> int:
    states = {line.status for student in book for line in student.lines.values()}
    if "broken" in states or "pending" in states:
        return 3
    if "unreadable" in states:
        return 2
    return 0 if states <= {"passed"} else 1
