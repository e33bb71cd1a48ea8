"""``toolkit grade``, ``toolkit results``, ``toolkit similar``: a whole class."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from toolkit.classroom.gradebook import StudentLine
    from toolkit.classroom.jobs import GradeJob
    from toolkit.classroom.lateness import Deadline
    from toolkit.classroom.packing import PackedExercise
    from toolkit.classroom.roster import Student
    from toolkit.classroom.session import Plan, Settings
    from toolkit.classroom.similarity import Pair
    from toolkit.classroom.store import Store
    from toolkit.grading.report import ExerciseResult

DATABASE = "toolkit-grades.sqlite"
VISIBILITIES = ("visible", "after_due_date", "after_published", "hidden")
LEVELS = ("full", "actual-only", "category", "none")

GRADE_EPILOG = """\b
Examples:
  toolkit grade submissions/ -e ch04              one folder, zip or file for each student
  toolkit grade export.zip -e ch04 --roster class.csv --report out/
  toolkit grade subs/ -e ch04 --due 2026-11-20T23:59 --late 10%/day --cutoff 7d
  toolkit grade subs/ -e ch04 --resume            go on where an interrupted run stopped
  toolkit grade subs/ -e ch04 --scheduler tcp://10.0.0.5:8786
Exit status: 0 all passed; 1 some failed; 2 wrong usage or unreadable submissions; 3 a fault of toolkit.
"""


def _missing_extra(error: ImportError) -> click.UsageError:
    return click.UsageError(f"this command needs {error.name}: pip install 'toolkit[classroom]'")


@click.command("grade", epilog=GRADE_EPILOG)
@click.argument("submissions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--exercise",
    "-e",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="Chapter or exercise; repeatable. Default: all.",
)
@click.option("--name", help="Name of this grading in the database. Default: the exercises' names.")
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1),
    default=lambda: os.cpu_count() or 1,
    help="Worker processes. Default: one for each core.",
)
@click.option("--scheduler", metavar="tcp://…", help="Grade on a Dask cluster instead.")
@click.option(
    "--database",
    default=DATABASE,
    show_default=True,
    metavar="URL",
    help="A SQLite file, or any SQLAlchemy URL.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the newest grading in the database (what is graded is never graded again in any case).",
)
@click.option(
    "--roster", type=click.Path(path_type=Path), help="CSV of the class: id, name, email, and any aliases."
)
@click.option(
    "--graders",
    type=click.Path(path_type=Path, file_okay=False),
    help="Private folder whose CHAPTER/NAME/grader.py is used instead.",
)
@click.option("--due", help="When it was due, ISO 8601 (UTC unless it says otherwise).")
@click.option("--late", help="Penalty for lateness: 10%/day, 5%/hour, 20%.")
@click.option("--grace", help="How late is not late yet: 15m.")
@click.option("--cutoff", help="How late is too late: 7d.")
@click.option(
    "--attempts",
    "policy",
    type=click.Choice(["best", "last"]),
    default="best",
    show_default=True,
    help="Which attempt counts.",
)
@click.option("--seed", type=int, default=0, help="Seed of everything that is left to chance.")
@click.option("--own-seeds", is_flag=True, help="Give every student other drawn inputs.")
@click.option(
    "--report",
    "report_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write HTML reports into this folder.",
)
@click.option(
    "--show",
    "shown",
    type=click.Choice(VISIBILITIES),
    multiple=True,
    default=["visible"],
    help="Visibilities that students' reports contain; repeatable.",
)
@click.option(
    "--disclosure",
    type=click.Choice(LEVELS),
    default="full",
    show_default=True,
    help="How much students' reports say about a failure.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["pretty", "csv", "moodle", "canvas", "json"]),
    default="pretty",
)
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write the result to a file.")
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
    due: str | None,
    late: str | None,
    grace: str | None,
    cutoff: str | None,
    policy: str,
    seed: int,
    own_seeds: bool,
    report_folder: Path | None,
    shown: tuple[str, ...],
    disclosure: str,
    format_name: str,
    output: Path | None,
) -> None:
    """Grade a class: folders, files, zip and tar archives, exports of Moodle, Canvas, Gradescope and GitHub Classroom."""
    try:
        from toolkit.classroom.session import Settings
        from toolkit.classroom.store import Store, StoreError
    except ImportError as error:
        raise _missing_extra(error) from error
    deadline = _deadline(due, late, grace, cutoff)
    exercises = _packed(targets, graders)
    try:
        with Store(database) as store:
            chosen = name or (_newest(store) if resume else None) or " ".join(targets) or "all"
            settings = Settings(chosen, seed, own_seeds, jobs, scheduler)
            plan = _plan(submissions, exercises, roster, settings)
            _run(plan, store, settings)
            book = _book(store, chosen, deadline, policy)
    except StoreError as error:
        raise click.UsageError(str(error)) from error
    if report_folder is not None:
        _write_reports(report_folder, book, chosen, disclosure, shown)
    _print_book(book, format_name, output, chosen)
    raise click.exceptions.Exit(_status(book))


def _newest(store: Store) -> str | None:
    names = store.sessions()
    return names[-1] if names else None


def _deadline(due: str | None, late: str | None, grace: str | None, cutoff: str | None) -> Deadline:
    from toolkit.classroom.lateness import Deadline, parse_due, parse_duration, parse_late

    try:
        rate, unit = parse_late(late) if late else (0.0, 0)
        return Deadline(
            parse_due(due) if due else None,
            rate,
            unit,
            parse_duration(grace) if grace else 0,
            parse_duration(cutoff) if cutoff else None,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _packed(targets: Sequence[str], graders: Path | None) -> list[PackedExercise]:
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
        click.echo(f"not on the roster: {_printable(who)}", err=True)
    for who, notes in plan.notes.items():
        for note in notes[:5]:
            click.echo(f"{_printable(who)}: {_printable(note)}", err=True)
    return plan


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)[:300]


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


def _book(store: Store, name: str, deadline: Deadline, policy: str) -> list[StudentLine]:
    from toolkit.classroom.gradebook import make_gradebook

    session_id = store.session_id(name)
    if session_id is None:
        return []
    worth = store.settings(session_id).get("maxima", {})
    return make_gradebook(store.graded(session_id), deadline, policy, worth)


def _write_reports(
    folder: Path, book: Sequence[StudentLine], name: str, level: str, shown: Sequence[str]
) -> None:
    try:
        from toolkit.classroom.reports import Disclosure, write_reports

        index = write_reports(folder, book, name, Disclosure(level, frozenset(shown)))
    except ImportError as error:
        raise _missing_extra(error) from error
    except OSError as error:
        raise click.UsageError(f"{folder} can't be written: {error.strerror}") from error
    click.echo(f"reports: {index}", err=True)


def _print_book(book: Sequence[StudentLine], format_name: str, output: Path | None, name: str) -> None:
    from toolkit.cli.common import open_output, write_output

    if format_name != "pretty":
        from toolkit.classroom.exports import export

        write_output(export(book, format_name, name), output)
        return
    from toolkit.cli.class_table import show_book

    with open_output(output) as stream:
        show_book(book, stream)


def _status(book: Sequence[StudentLine]) -> int:
    states = {line.status for student in book for line in student.lines.values()}
    if "broken" in states or "pending" in states:
        return 3
    if "unreadable" in states:
        return 2
    return 0 if states <= {"passed"} else 1


# -- results -----------------------------------------------------------------------------------------------------

RESULTS_EPILOG = """\b
Examples:
  toolkit results                              the newest grading
  toolkit results --checks                     every check: who passed, how many failed
  toolkit results --failed "prints the file"   who failed a check
  toolkit results --format moodle -o grades.csv
"""


@click.command("results", epilog=RESULTS_EPILOG)
@click.option("--database", default=DATABASE, show_default=True, metavar="URL")
@click.option("--name", help="Which grading; default: the newest.")
@click.option("--list", "list_names", is_flag=True, help="List the gradings in the database.")
@click.option("--checks", is_flag=True, help="Count the outcomes of every check.")
@click.option("--failed", metavar="CHECK", help="Who failed a check (a part of its name is enough).")
@click.option("--distribution", is_flag=True, help="How many students reached which share of the points.")
@click.option("--student", help="Everything about one student.")
@click.option("--due", help="As for toolkit grade; so are the next ones.")
@click.option("--late")
@click.option("--grace")
@click.option("--cutoff")
@click.option("--attempts", "policy", type=click.Choice(["best", "last"]), default="best")
@click.option(
    "--report",
    "report_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write HTML reports into this folder.",
)
@click.option("--show", "shown", type=click.Choice(VISIBILITIES), multiple=True, default=["visible"])
@click.option("--disclosure", type=click.Choice(LEVELS), default="full")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["pretty", "csv", "moodle", "canvas", "json"]),
    default="pretty",
)
@click.option("--output", "-o", type=click.Path(path_type=Path))
def results_command(
    database: str,
    name: str | None,
    list_names: bool,
    checks: bool,
    failed: str | None,
    distribution: bool,
    student: str | None,
    due: str | None,
    late: str | None,
    grace: str | None,
    cutoff: str | None,
    policy: str,
    report_folder: Path | None,
    shown: tuple[str, ...],
    disclosure: str,
    format_name: str,
    output: Path | None,
) -> None:
    """Query and export what was graded."""
    try:
        from toolkit.classroom.store import Store, StoreError
    except ImportError as error:
        raise _missing_extra(error) from error
    if "://" not in database and not Path(database).exists():
        raise click.UsageError(f"there is no database {database}; `toolkit grade` makes one")
    try:
        with Store(database) as store:
            names = store.sessions()
            if list_names:
                click.echo("\n".join(names))
                return
            chosen = name or (names[-1] if names else "")
            if chosen not in names:
                raise click.UsageError(
                    f"the database has no grading {chosen!r}; it has {', '.join(names) or 'none'}"
                )
            book = _book(store, chosen, _deadline(due, late, grace, cutoff), policy)
    except StoreError as error:
        raise click.UsageError(str(error)) from error
    if report_folder is not None:
        _write_reports(report_folder, book, chosen, disclosure, shown)
    from toolkit.cli import class_table
    from toolkit.cli.common import open_output

    if not (checks or failed or distribution or student):
        _print_book(book, format_name, output, chosen)
        return
    with open_output(output) as stream:
        if checks:
            class_table.show_checks(book, stream)
        if failed:
            class_table.show_failed(book, failed, stream)
        if distribution:
            class_table.show_distribution(book, stream)
        if student and not class_table.show_student(book, student, stream):
            raise click.UsageError(f"no student {student} in {chosen}")


# -- similar -----------------------------------------------------------------------------------------------------

SIMILAR_EPILOG = """\b
Examples:
  toolkit similar submissions/ -e ch04/mmap
  toolkit similar submissions/ -e ch04 --threshold 0.7 --html out/
"""


@click.command("similar", epilog=SIMILAR_EPILOG)
@click.argument("submissions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--exercise",
    "-e",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="Chapter or exercise; repeatable. Default: all.",
)
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
    for exercise in _packed(targets, None):
        sources = sources_by_student(exercise, attempts)
        starters = [file.data.decode(errors="replace") for file in exercise.starter]
        for pair in rank(sources, exercise.identity, starters, threshold)[:most]:
            found = True
            click.echo(
                f"{100 * pair.similarity:3.0f} %  {exercise.identity}  {_printable(pair.left)}  {_printable(pair.right)}"
            )
            if folder is not None:
                _write_pair(folder, pair, sources)
    if not found:
        click.echo(f"no pair is {100 * threshold:.0f} % alike or more")


def _write_pair(folder: Path, pair: Pair, sources: dict[str, str]) -> None:
    try:
        from toolkit.classroom.reports import file_name, side_by_side
    except ImportError as error:
        raise _missing_extra(error) from error
    folder.mkdir(parents=True, exist_ok=True)
    names = "-".join(file_name(each) for each in (pair.exercise, pair.left, pair.right))
    text = side_by_side(pair, sources[pair.left], sources[pair.right])
    (folder / f"{names}.html").write_text(text, encoding="utf-8")
