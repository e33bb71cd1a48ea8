"""A class in the terminal: tables of students, checks and shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from toolkit.grading.report import Status, points

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from toolkit.classroom.gradebook import StudentLine

STYLES = {
    "passed": "green",
    "failed": "red",
    "broken": "yellow",
    "unreadable": "red",
    "missing": "dim",
    "pending": "dim",
}


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else 160, highlight=False, markup=False)


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name in columns:
        table.add_column(
            name.removeprefix(">"), justify="right" if name.startswith(">") else "left", no_wrap=True
        )
    return table


def safe(text: str) -> str:
    """Text of a submission without anything that acts on a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def show_book(book: Sequence[StudentLine], stream: TextIO) -> None:
    """A row for each student, and a summary."""
    table = _table("student", "name", ">passed", ">points", ">of", ">late", "not passed")
    for student in book:
        passed = sum(line.status == "passed" for line in student.lines.values())
        others = [
            f"{name} ({line.status})"
            for name, line in sorted(student.lines.items())
            if line.status != "passed"
        ]
        late = f"{student.late / 3600:.1f} h" if student.late else ""
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        table.add_row(
            safe(student.student),
            safe(student.name),
            f"{passed}/{len(student.lines)}",
            points(student.score),
            points(student.max_score),
            late,
            ", ".join(others[:3]) + more,
        )
    console = _console(stream)
    console.print(table)
    lines = [line for student in book for line in student.lines.values()]
    counts = {state: sum(line.status == state for line in lines) for state in STYLES}
    summary = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    console.print(f"{len(book)} students; {summary or 'nothing graded'}")
    if counts["broken"]:
        console.print("Broken checks are a fault of toolkit or of the exercise, not of the students.")


def show_checks(book: Sequence[StudentLine], stream: TextIO) -> None:
    """A row for each check, the one that fails most first."""
    from toolkit.classroom.gradebook import count_checks

    table = _table("exercise", "check", ">passed", ">failed", ">skipped", ">broken")
    for row in count_checks(book):
        counts = (row.passed, row.failed, row.skipped, row.broken)
        table.add_row(row.exercise, row.check, *map(str, counts))
    _console(stream).print(table)


def show_failed(book: Sequence[StudentLine], word: str, stream: TextIO) -> None:
    """Who failed the checks whose name has the word."""
    table = _table("student", "exercise", "check", "message")
    for student in book:
        for exercise, line in sorted(student.lines.items()):
            for check in line.result.checks if line.result is not None else ():
                if check.status is Status.FAILED and word.lower() in check.name.lower():
                    table.add_row(safe(student.student), exercise, check.name, safe(check.message)[:80])
    _console(stream).print(table)


def show_distribution(book: Sequence[StudentLine], stream: TextIO) -> None:
    """Ten shares of the points, with a bar each."""
    counts = [0] * 10
    for student in book:
        if student.max_score:
            counts[min(9, int(10 * student.score / student.max_score))] += 1
    highest = max(counts) or 1
    console = _console(stream)
    for index, count in enumerate(counts):
        console.print(f"{10 * index:3d}-{10 * index + 10:3d} %  {'█' * round(40 * count / highest)} {count}")


def show_student(book: Sequence[StudentLine], who: str, stream: TextIO) -> bool:
    """Every check of one student; False when there is no such student."""
    student = next((each for each in book if who in (each.student, each.name)), None)
    if student is None:
        return False
    console = _console(stream)
    console.print(
        f"{safe(student.student)}  {safe(student.name)}  {points(student.score)}/{points(student.max_score)}"
    )
    for exercise, line in sorted(student.lines.items()):
        console.print(
            f"{exercise}  {line.status}  {points(line.score)}/{points(line.max_score)}  {safe(line.entry.problem)}"
        )
        for check in line.result.checks if line.result is not None else ():
            console.print(
                f"  {check.status.value:8s} {check.name}  {points(check.score)}/{points(check.max_score)}"
            )
            if check.status is Status.FAILED:
                console.print(f"           {safe(check.message)[:300]}")
    return True
