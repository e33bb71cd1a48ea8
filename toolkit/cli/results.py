"""``toolkit results``: query and export what was graded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toolkit.cli.class_common import missing_extra, open_book, print_book, write_reports
from toolkit.cli.class_options import database_option, output_options, rules_options

if TYPE_CHECKING:
    from toolkit.classroom.gradebook import StudentLine
    from toolkit.classroom.store import Store
    from toolkit.cli.class_options import Output, Rules

EPILOG = """\b
Examples:
  toolkit results                              the newest grading
  toolkit results --checks                     every check: who passed, how many failed
  toolkit results --failed "prints the file"   who failed a check
  toolkit results --format moodle -o grades.csv
"""


@click.command("results", epilog=EPILOG)
@database_option
@click.option("--name", help="Which grading; default: the newest.")
@click.option("--list", "list_names", is_flag=True, help="List the gradings in the database.")
@click.option("--checks", is_flag=True, help="Count the outcomes of every check.")
@click.option("--failed", metavar="CHECK", help="Who failed a check (a part of its name is enough).")
@click.option("--distribution", is_flag=True, help="How many students reached which share of the points.")
@click.option("--student", help="Everything about one student.")
@rules_options
@output_options
def results_command(
    database: str,
    name: str | None,
    list_names: bool,
    checks: bool,
    failed: str | None,
    distribution: bool,
    student: str | None,
    rules: Rules,
    output: Output,
) -> None:
    """Query and export what was graded. Rules for lateness and attempts are those of the grading unless others are given."""
    try:
        from toolkit.classroom.store import Store, StoreError
    except ImportError as error:
        raise missing_extra(error) from error
    if "://" not in database and not Path(database).exists():
        raise click.UsageError(f"there is no database {database}; `toolkit grade` makes one")
    try:
        with Store(database) as store:
            if list_names:
                click.echo("\n".join(store.sessions()))
                return
            chosen = _chosen(store, name)
            book = open_book(store, chosen, rules)
    except StoreError as error:
        raise click.UsageError(str(error)) from error
    write_reports(book, chosen, output)
    if checks or failed or distribution or student:
        _answer(book, chosen, checks, failed, distribution, student, output.file)
    else:
        print_book(book, chosen, output)


def _chosen(store: Store, name: str | None) -> str:
    names = store.sessions()
    chosen = name or (names[-1] if names else "")
    if chosen not in names:
        raise click.UsageError(f"the database has no grading {chosen!r}; it has {', '.join(names) or 'none'}")
    return chosen


def _answer(
    book: Sequence[StudentLine],
    name: str,
    checks: bool,
    failed: str | None,
    distribution: bool,
    student: str | None,
    file: Path | None,
) -> None:
    from toolkit.cli import class_table
    from toolkit.cli.common import open_output

    with open_output(file) as stream:
        if checks:
            class_table.show_checks(book, stream)
        if failed:
            class_table.show_failed(book, failed, stream)
        if distribution:
            class_table.show_distribution(book, stream)
        if student and not class_table.show_student(book, student, stream):
            raise click.UsageError(f"no student {student} in {name}")
