"""A gradebook → CSV for a course system, or JSON. Cells can't act as formulas in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from toolkit.classroom.gradebook import StudentLine
from toolkit.grading.report import points

FORMATS = ("csv", "moodle", "canvas", "json")


def export(book: Sequence[StudentLine], format_name: str, assignment: str = "assignment") -> str:
    """One of ``FORMATS``. Raises KeyError for another."""
    return {"csv": to_csv, "moodle": to_moodle, "canvas": to_canvas, "json": to_json}[format_name](
        book, assignment
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[safe_cell(cell) for cell in row] for row in rows])
    return stream.getvalue()


def safe_cell(text: str) -> str:
    """A cell that a spreadsheet shows and does not compute (a leading = + - @ gets an apostrophe)."""
    text = "".join(c if c.isprintable() else " " for c in text)
    is_number = text.replace(".", "", 1).removeprefix("-").isdigit()
    return "'" + text if text[:1] in "=+-@\t" and text and not is_number else text


def exercises_of(book: Sequence[StudentLine]) -> list[str]:
    """All exercises that any student has a line for, in order."""
    return sorted({exercise for student in book for exercise in student.lines})


def to_csv(book: Sequence[StudentLine], assignment: str) -> str:
    """Everything: a column of points and one of status for each exercise."""
    exercises = exercises_of(book)
    header = ["student", "name"]
    for exercise in exercises:
        header += [exercise, f"{exercise} status"]
    rows = []
    for student in book:
        row = [student.student, student.name]
        for exercise in exercises:
            line = student.lines.get(exercise)
            row += [points(line.score), line.status] if line else ["", ""]
        rows.append([*row, points(student.score), points(student.max_score), str(round(student.late))])
    return _table([*header, "score", "max_score", "seconds_late"], rows)


def to_moodle(book: Sequence[StudentLine], assignment: str) -> str:
    """Moodle's gradebook import: one line a student, mapped by the identifier."""
    rows = [
        [f"Participant {s.student}", s.name, points(s.score), points(s.max_score), feedback(s)] for s in book
    ]
    return _table(["Identifier", "Full name", "Grade", "Maximum Grade", "Feedback comments"], rows)


def to_canvas(book: Sequence[StudentLine], assignment: str) -> str:
    """Canvas's gradebook import: Student, ID, the assignment's column, and a line of possible points."""
    maximum = max((student.max_score for student in book), default=0.0)
    rows = [["    Points Possible", "", "", "", "", points(maximum)]]
    rows += [[s.name or s.student, s.student, "", "", "", points(s.score)] for s in book]
    return _table(["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment], rows)


def feedback(student: StudentLine) -> str:
    """One sentence for each exercise."""
    return "; ".join(
        f"{exercise}: {points(line.score)}/{points(line.max_score)} {line.status}"
        for exercise, line in sorted(student.lines.items())
    )


def to_json(book: Sequence[StudentLine], assignment: str) -> str:
    """The whole gradebook with every check's outcome."""
    document = [
        {
            "student": student.student,
            "name": student.name,
            "score": student.score,
            "max_score": student.max_score,
            "seconds_late": round(student.late),
            "exercises": {
                exercise: {
                    "attempt": line.entry.attempt,
                    "status": line.status,
                    "raw_score": line.raw,
                    "score": line.score,
                    "max_score": line.max_score,
                    "problem": line.entry.problem,
                    "result": line.result.as_json() if line.result is not None else None,
                }
                for exercise, line in sorted(student.lines.items())
            },
        }
        for student in book
    ]
    return (
        json.dumps(
            {"version": 1, "assignment": assignment, "students": document}, indent=2, ensure_ascii=False
        )
        + "\n"
    )
