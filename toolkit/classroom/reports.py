"""HTML reports: one self-contained file for each student and one for the class. No script, no network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.classroom import charts
from toolkit.classroom.gradebook import Line, StudentLine, count_checks
from toolkit.classroom.showing import visible
from toolkit.classroom.similarity import Pair
from toolkit.grading.disclosure import Disclosure
from toolkit.grading.report import CheckResult, points

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def environment() -> Environment:
    """Templates with everything escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=PackageLoader("toolkit.classroom"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters["points"] = points
    return made


def _shown(value: object) -> object:
    """Every text in a page goes through ``visible``; markup of ours does not."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _markup(svg: str) -> Any:
    from markupsafe import Markup

    return Markup(svg)


def student_report(student: StudentLine, assignment: str, disclosure: Disclosure) -> str:
    """What a student reads."""
    rows = [_student_row(line, disclosure) for _, line in sorted(student.lines.items())]
    hides = any(row["hides"] for row in rows)
    return (
        environment()
        .get_template("student.html.j2")
        .render(student=student, assignment=assignment, rows=rows, hides=hides, svg=_picture)
    )


def _student_row(line: Line, disclosure: Disclosure) -> dict[str, Any]:
    """Outcome and points are those of what is shown: the others would tell of the checks that are not."""
    if line.result is None:
        return {"line": line, "result": None, "status": line.status, "hides": False}
    reduced = disclosure.result(line.result)
    return {
        "line": line,
        "result": reduced,
        "status": reduced.status.value,
        "score": line.after_penalty(reduced.score),
        "hides": len(reduced.checks) != len(line.result.checks),
    }


def _picture(check: CheckResult) -> Any:
    """The memory map that a failed check shows, drawn."""
    areas = charts.read_map(check.actual or "")
    return _markup(charts.memory_map(areas)) if len(areas) >= 2 else ""


def class_report(book: Sequence[StudentLine], assignment: str, files: dict[str, str]) -> str:
    """What the instructor reads. ``files``: student → file name of the student's report."""
    shares = [student.score / student.max_score for student in book if student.max_score]
    counts = count_checks(book)
    hardest = [
        (f"{each.exercise}: {each.check}", each.share_failed, f"{each.failed} of {each.passed + each.failed}")
        for each in counts[:15]
        if each.failed
    ]
    return (
        environment()
        .get_template("class.html.j2")
        .render(
            book=book,
            assignment=assignment,
            files=files,
            exercises=sorted({name for student in book for name in student.lines}),
            mean=sum(shares) / len(shares) if shares else 0.0,
            distribution=_markup(charts.distribution(shares)),
            hardest=_markup(charts.bars(hardest, "Checks that fail most")),
            counts=counts,
        )
    )


def write_reports(
    folder: Path, book: Sequence[StudentLine], assignment: str, disclosure: Disclosure | None = None
) -> Path:
    """``folder/index.html`` and ``folder/students/*.html``; returns the first. Raises OSError."""
    students = folder / "students"
    students.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for number, student in enumerate(book, 1):
        files[student.student] = f"students/{number:04d}-{file_name(student.student)}.html"
        text = student_report(student, assignment, disclosure or Disclosure())
        (folder / files[student.student]).write_text(text, encoding="utf-8")
    index = folder / "index.html"
    index.write_text(class_report(book, assignment, files), encoding="utf-8")
    return index


def file_name(student: str) -> str:
    """A name that is safe in a folder, made from any text."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", student).strip("._")[:60] or "student"


def side_by_side(pair: Pair, left: str, right: str) -> str:
    """Two sources beside each other, the matching lines marked."""
    marks = [
        {number for ranges in pair.lines for number in range(ranges[side][0], ranges[side][1] + 1)}
        for side in (0, 1)
    ]
    columns = [
        [
            (number, visible(line), number in marks[side])
            for number, line in enumerate(text.splitlines()[:5000], 1)
        ]
        for side, text in enumerate((left, right))
    ]
    return environment().get_template("similar.html.j2").render(pair=pair, columns=columns)
