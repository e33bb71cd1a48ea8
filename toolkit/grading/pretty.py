"""A report for a reader at a terminal: coloured with rich where there is one, the same text plain elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from toolkit.grading.report import CheckResult, ExerciseResult, Report, Status, points

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {Status.PASSED: "✓", Status.FAILED: "✗", Status.SKIPPED: "-", Status.BROKEN: "!"}
_ASCII_MARKS = {Status.PASSED: "+", Status.FAILED: "x", Status.SKIPPED: "-", Status.BROKEN: "!"}
_STYLES = {Status.PASSED: "green", Status.FAILED: "red", Status.SKIPPED: "dim", Status.BROKEN: "magenta"}
_LONG_RUN = 4  # exercises from which on a progress bar is shown

Line = tuple[str, str]  # text, style


class PrettyPrinter:
    """Prints each exercise's result as it comes, and the sum at the end."""

    def __init__(self, stream: TextIO, total: int, progress: TextIO | None = None) -> None:
        self._stream = stream
        self._marks = _MARKS if _can_print(stream, "✓✗") else _ASCII_MARKS
        self._console = terminal_console(stream)
        self._bar = self._start_bar(total) if self._console is not None and total >= _LONG_RUN else None

    def show(self, result: ExerciseResult) -> None:
        """Print one exercise."""
        self._print(exercise_lines(result, self._marks))
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])

    def finish(self, report: Report) -> None:
        """Print the sum."""
        if self._bar is not None:
            self._bar.stop()
        self._print(summary_lines(report))

    def _print(self, lines: Iterator[Line]) -> None:
        print_lines(self._stream, lines, self._console)

    def _start_bar(self, total: int) -> Any:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("grading"), BarColumn(), MofNCompleteColumn())
        bar = Progress(*columns, console=self._console, transient=True)
        bar.add_task("grading", total=total)
        bar.start()
        return bar


def print_lines(stream: TextIO, lines: Iterable[Line], console: Console | None = None) -> None:
    """Write styled lines, in colour if the stream is a terminal."""
    console = console or terminal_console(stream)
    if console is None:
        for text, _ in lines:
            stream.write(text + "\n")
        stream.flush()
        return
    from rich.text import Text

    for text, style in lines:
        console.print(Text(text, style=style), soft_wrap=True)


def terminal_console(stream: TextIO) -> Console | None:
    """A rich console if the stream is a terminal that may show colour, else ``None`` (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return None
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False)


def _can_print(stream: TextIO, text: str) -> bool:
    try:
        text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def exercise_lines(result: ExerciseResult, marks: dict[Status, str] = _MARKS) -> Iterator[Line]:
    """One exercise: a head line, a line for each check, details under those that did not pass."""
    score = f"{points(result.score)}/{points(result.max_score)}"
    yield f"{result.identity}  {result.title}  {score}", "bold"
    built = result.checks[0]
    for check in result.checks:
        if _goes_without_saying(check, result):
            continue
        yield from _built_lines(result, marks) if check is built else _check_lines(check, marks)
    if result.checks[0].status is Status.PASSED:
        warnings = [each for each in result.diagnostics if each.severity == "warning"]
        for record in warnings:
            yield from ((f"      {line}", "yellow") for line in record.text.splitlines())


def watch_lines(result: ExerciseResult, marks: dict[Status, str] = _MARKS) -> Iterator[Line]:
    """One exercise for someone at work on it: the next check that does not pass, in full; the others in a line each."""
    score = f"{points(result.score)}/{points(result.max_score)}"
    yield f"{result.identity}  {result.title}  {score}", "bold"
    open_checks = [check for check in result.checks if check.status is not Status.PASSED]
    if open_checks:
        built = open_checks[0] is result.checks[0]
        yield from _built_lines(result, marks) if built else _check_lines(open_checks[0], marks)
    for check in result.checks:
        if check not in open_checks[:1] and (check.max_score or check.status is not Status.PASSED):
            yield f"  {marks[check.status]} {check.name}", _STYLES[check.status]


def _goes_without_saying(check: CheckResult, result: ExerciseResult) -> bool:
    """Whether it is the check that all begin with, and nothing is wrong with it."""
    return check is result.checks[0] and check.max_score == 0 and check.status is Status.PASSED


def _built_lines(result: ExerciseResult, marks: dict[Status, str]) -> Iterator[Line]:
    """The check that it assembles and links: what is wrong is said once, by the assembler's own lines where it has some."""
    built = result.checks[0]
    if any(each.severity != "warning" for each in result.diagnostics):
        yield _head_line(built, marks)
    else:
        yield from _check_lines(built, marks)
    for record in result.diagnostics:
        yield from _indented(record.text)


def _head_line(check: CheckResult, marks: dict[Status, str]) -> Line:
    score = f"  {points(check.score)}/{points(check.max_score)}" if check.max_score else ""
    note = f" (skipped: {check.message})" if check.status is Status.SKIPPED else ""
    return f"  {marks[check.status]} {check.name}{note}{score}", _STYLES[check.status]


def _check_lines(check: CheckResult, marks: dict[Status, str]) -> Iterator[Line]:
    yield _head_line(check, marks)
    if check.status in (Status.PASSED, Status.SKIPPED):
        return
    who = "broken, not your fault: " if check.status is Status.BROKEN else ""
    yield from _indented(who + check.message)
    if check.location is not None:
        yield from _labelled("where", str(check.location))  # below the message: an editor reads both lines
    if check.expected is not None:
        yield from _labelled("expected", check.expected)
    if check.actual is not None:
        yield from _labelled("actual", check.actual)
    for line in check.explanation:
        yield from _indented("| " + line)
    if check.help:
        yield from _labelled("help", check.help)


def _labelled(label: str, text: str) -> Iterator[Line]:
    first, *rest = text.split("\n")
    yield f"      {label + ':':<10}{first}", ""
    for line in rest:
        yield f"      {'':<10}{line}", ""


def _indented(text: str) -> Iterator[Line]:
    for line in text.split("\n"):
        yield f"      {line}", ""


def summary_lines(report: Report) -> Iterator[Line]:
    """The last lines: how many checks had which outcome, and the score."""
    shown = [
        check.status
        for each in report.exercises
        for check in each.checks
        if not _goes_without_saying(check, each)
    ]
    counts = {status: shown.count(status) for status in Status}
    parts = [f"{counts[status]} {status.value}" for status in Status if counts[status]]
    passed = sum(exercise.status is Status.PASSED for exercise in report.exercises)
    total = len(report.exercises)
    style = {0: "bold green", 1: "bold red", 2: "bold red", 3: "bold magenta"}[report.exit_status]
    yield "", ""
    score = f"{points(report.score)} of {points(report.max_score)} points"
    yield (
        f"{passed} of {total} exercise{'s' * (total != 1)} passed; {score}; checks: {', '.join(parts)}",
        style,
    )
    if counts[Status.BROKEN]:
        yield "Broken checks are a fault of toolkit or of the exercise, not yours.", "magenta"
