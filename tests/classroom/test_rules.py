"""Roster, lateness, and which attempt counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.classroom.gradebook import MISSING, count_checks, make_gradebook
from toolkit.classroom.intake import Attempt, IntakeError
from toolkit.classroom.lateness import Deadline, parse_due, parse_duration, parse_late
from toolkit.classroom.roster import assign, read_roster
from toolkit.classroom.store import Entry, Graded
from toolkit.grading.report import CheckResult, ExerciseResult, Status

ROSTER = "ID;Name;Email;Section;canvas;github\n17;Ada Lovelace;ada@example.org;A;12345;ada-l\n18;Zoë Müller;zoe@example.org;A;12346;zmu\n19;Ada Lovelace;other@example.org;A;12347;\n"


@pytest.mark.parametrize(
    ("student", "name", "identity"),
    [
        ("12345", "", "17"),
        ("ada-l", "", "17"),
        ("ADA_L", "", "17"),
        ("ada", "", "17"),
        ("zoe@example.org", "", "18"),
        ("1", "Zoe Muller", "18"),
        ("Zoë Müller", "", "18"),
        ("1", "Ada Lovelace", None),
        ("A", "", None),
        ("99", "", None),
    ],
)
def test_who_handed_in(tmp_path: Path, student: str, name: str, identity: str | None) -> None:
    path = tmp_path / "class.csv"
    path.write_text(ROSTER, encoding="utf-8-sig")
    known, unknown = assign([Attempt(student, name)], read_roster(path))
    assert known[0].student == (identity or student)
    assert unknown == ([] if identity else [student])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a,b\n1,2\n", "names no column"),
        (b"id,name\n1,A\n1,B\n", "class.csv:3: 1 stands there twice"),
        (b"\xff\xfe\x00", "can't be read"),
        (b"", "names no column"),
    ],
)
def test_rosters_that_are_wrong(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "class.csv"
    path.write_bytes(text)
    with pytest.raises(IntakeError, match=words):
        read_roster(path)


DUE = parse_due("2026-11-20T12:00")
HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("late", "grace", "cutoff", "after", "factor"),
    [
        ("10%/day", None, None, -1, 1.0),
        ("10%/day", None, None, 0, 1.0),
        ("10%/day", None, None, 1, 0.9),
        ("10%/day", None, None, DAY, 0.9),
        ("10%/day", None, None, DAY + 1, 0.8),
        ("10%/day", None, None, 20 * DAY, 0.0),
        ("5%/hours", None, None, 2 * HOUR + 1, 0.85),
        ("20%", None, None, 300 * DAY, 0.8),
        ("10%/day", "15m", None, 900, 1.0),
        ("10%/day", "15m", None, 901, 0.9),
        ("10%/day", None, "3d", 3 * DAY, 0.7),
        ("10%/day", None, "3d", 3 * DAY + 1, 0.0),
        (None, None, "1w", 6 * DAY, 1.0),
    ],
)
def test_what_being_late_costs(
    late: str | None, grace: str | None, cutoff: str | None, after: float, factor: float
) -> None:
    rate, unit = parse_late(late) if late else (0.0, 0)
    deadline = Deadline(
        DUE, rate, unit, parse_duration(grace) if grace else 0, parse_duration(cutoff) if cutoff else None
    )
    assert deadline.factor(DUE + after) == pytest.approx(factor)
    assert deadline.factor(None) == 1.0


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_due, "tomorrow"),
        (parse_due, "2026-13-01"),
        (parse_late, "10"),
        (parse_late, "110%"),
        (parse_late, "10%/year"),
        (parse_duration, "5"),
        (parse_duration, "x"),
        (parse_duration, "-5m"),
    ],
)
def test_what_is_no_date_or_penalty(parse, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"is no .*: write"):
        parse(text)


def test_dates() -> None:
    assert parse_due("2026-11-20T23:59+01:00") == parse_due("2026-11-20T22:59")
    assert parse_due("2026-11-20") == parse_due("2026-11-20T23:59:59")


def graded(
    student: str, attempt: int, points: float | None, time: float | None = None, problem: str = ""
) -> Graded:
    entry = Entry(student, attempt, "ch09/prog", "", time, "k" if points is not None else None, problem)
    if points is None:
        return Graded(entry, None)
    checks = (
        CheckResult("one", Status.PASSED if points >= 2 else Status.FAILED, 2),
        CheckResult("two", Status.PASSED if points >= 5 else Status.FAILED, 3),
    )
    return Graded(entry, ExerciseResult("ch09/prog", "t", checks))


TWO = [graded("ada", 1, 5, DUE - 1), graded("ada", 2, 2, DUE + 1)]
LATE_BETTER = [graded("ada", 1, 2, DUE - 1), graded("ada", 2, 5, DUE + 9 * DAY)]
LAST_EMPTY = [graded("ada", 1, 5), graded("ada", 2, None, problem=MISSING)]


@pytest.mark.parametrize(
    ("attempts", "policy", "attempt", "score"),
    [
        (TWO, "best", 1, 5.0),
        (TWO, "last", 2, 1.8),
        (LATE_BETTER, "best", 1, 2.0),
        (LATE_BETTER, "last", 2, 0.5),
        (LAST_EMPTY, "last", 1, 5.0),
        (LAST_EMPTY, "best", 1, 5.0),
        ([graded("ada", 1, 2), graded("ada", 2, 2)], "best", 2, 2.0),
    ],
)
def test_which_attempt_counts(attempts: list[Graded], policy: str, attempt: int, score: float) -> None:
    (student,) = make_gradebook(attempts, Deadline(DUE, 0.1, DAY), policy)
    line = student.lines["ch09/prog"]
    assert (line.entry.attempt, line.score) == (attempt, score)
    assert student.max_score == 5


def test_an_exercise_that_nobody_handed_in_has_its_worth() -> None:
    book = make_gradebook([graded("ada", 1, None, problem=MISSING)], worth={"ch09/prog": 5.0})
    assert (book[0].score, book[0].max_score, book[0].lines["ch09/prog"].status) == (0, 5.0, "missing")


def test_how_a_class_did() -> None:
    book = make_gradebook(
        [graded("ada", 1, 5), graded("bob", 1, 2), graded("eve", 1, 0), graded("joe", 1, None)]
    )
    assert [(each.check, each.passed, each.failed) for each in count_checks(book)] == [
        ("two", 1, 2),
        ("one", 2, 1),
    ]
    assert count_checks(book)[0].share_failed == pytest.approx(2 / 3)
    assert [student.lines["ch09/prog"].status for student in book] == [
        "passed",
        "failed",
        "failed",
        "pending",
    ]
