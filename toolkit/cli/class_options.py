"""Options that several commands on a class share, each group handed over as one value."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolkit.grading.formats import DISCLOSURE_LEVELS, VISIBILITIES

if TYPE_CHECKING:
    from toolkit.classroom.lateness import Deadline
    from toolkit.grading.disclosure import Disclosure

Command = Callable[..., Any]
DATABASE = "toolkit-grades.sqlite"

submissions_argument = click.argument("submissions", nargs=-1, required=True, type=click.Path(path_type=Path))
targets_option = click.option(
    "--exercise",
    "-e",
    "targets",
    multiple=True,
    metavar="TARGET",
    help="Chapter or exercise; repeatable. Default: all.",
)
database_option = click.option(
    "--database",
    default=DATABASE,
    show_default=True,
    metavar="URL",
    help="A SQLite file, or any SQLAlchemy URL.",
)


@dataclass(frozen=True)
class Rules:
    """How hand-ins become points, in the words of the options that were given: `due`, `late`, `grace`, `cutoff`, `attempts`."""

    given: Mapping[str, str]

    def or_as(self, before: Mapping[str, str]) -> Rules:
        """What was not given is as it was when the class was graded."""
        return Rules({**before, **self.given})

    @property
    def policy(self) -> str:
        """Which attempt counts: `best` or `last`."""
        return self.given.get("attempts", "best")

    @property
    def deadline(self) -> Deadline:
        """Raises UsageError."""
        return _deadline(*(self.given.get(name) for name in ("due", "late", "grace", "cutoff")))


@dataclass(frozen=True)
class Output:
    """Where the gradebook goes. ``reports``: a folder for HTML pages; ``file``: instead of standard output."""

    reports: Path | None
    disclosure: Disclosure
    format_name: str
    file: Path | None


def _with(options: tuple[Command, ...], command: Command) -> Command:
    """The command with click options, in the order in which ``--help`` lists them."""
    for option in reversed(options):
        command = option(command)
    return command


def rules_options(command: Command) -> Command:
    """--due, --late, --grace, --cutoff and --attempts, as ``rules``."""

    @functools.wraps(command)
    def with_rules(**values: Any) -> Any:
        names = ("due", "late", "grace", "cutoff", "attempts")
        texts = {name: values.pop(name) for name in names}
        rules = Rules({name: text for name, text in texts.items() if text is not None})
        rules.deadline  # noqa: B018 - what can't be understood is told before anything is graded
        return command(rules=rules, **values)

    return _with(
        (
            click.option("--due", help="When it was due, ISO 8601 (UTC unless it says otherwise)."),
            click.option("--late", help="Penalty for lateness: 10%/day, 5%/hour, 20%."),
            click.option("--grace", help="How late is not late yet: 15m."),
            click.option("--cutoff", help="How late is too late: 7d."),
            click.option(
                "--attempts", type=click.Choice(["best", "last"]), help="Which attempt counts. Default: best."
            ),
        ),
        with_rules,
    )


def _deadline(due: str | None, late: str | None, grace: str | None, cutoff: str | None) -> Deadline:
    """Raises UsageError."""
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


def disclosure_options(command: Command) -> Command:
    """--show and --disclosure, as ``shown`` (empty where not given) and ``level``."""
    return _with(
        (
            click.option(
                "--show",
                "shown",
                type=click.Choice(VISIBILITIES),
                multiple=True,
                help="Visibilities of the checks that students read; repeatable. Default: visible.",
            ),
            click.option(
                "--disclosure",
                "level",
                type=click.Choice(DISCLOSURE_LEVELS),
                default="full",
                show_default=True,
                help="How much students read of a failure.",
            ),
        ),
        command,
    )


def output_options(command: Command) -> Command:
    """--report, --show, --disclosure, --format and --output, as ``output``."""

    @functools.wraps(command)
    def with_output(
        reports: Path | None,
        shown: tuple[str, ...],
        level: str,
        format_name: str,
        file: Path | None,
        **others: Any,
    ) -> Any:
        from toolkit.grading.disclosure import VISIBLE, Disclosure

        disclosure = Disclosure(level, frozenset(shown) or VISIBLE)
        return command(output=Output(reports, disclosure, format_name, file), **others)

    folder = click.Path(path_type=Path, file_okay=False)
    reports = click.option("--report", "reports", type=folder, help="Write HTML reports into this folder.")
    formats = click.Choice(["pretty", "csv", "moodle", "canvas", "json"])
    return reports(
        disclosure_options(
            _with(
                (
                    click.option("--format", "format_name", type=formats, default="pretty"),
                    click.option(
                        "--output",
                        "-o",
                        "file",
                        type=click.Path(path_type=Path),
                        help="Write the result to a file.",
                    ),
                ),
                with_output,
            )
        )
    )
