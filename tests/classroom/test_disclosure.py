"""What is hidden never shows: in records, pages and exports made for students."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from toolkit.classroom.gradebook import make_gradebook
from toolkit.classroom.lateness import Deadline
from toolkit.classroom.reports import class_report, student_report, write_reports
from toolkit.classroom.store import Entry, Graded
from toolkit.grading.disclosure import Disclosure
from toolkit.grading.evidence import DiagnosticRecord, Location
from toolkit.grading.formats import DISCLOSURE_LEVELS
from toolkit.grading.report import CheckResult, ExerciseResult, Report, Status

MAP = "00400000-00401000 r--p 00000000 prog\n00401000-00402000 r-xp 00001000 prog\n7ffffffde000-7ffffffff000 rw-p 00000000 [stack]"
CHECKS = (
    CheckResult("open", Status.FAILED, 2, "MESSAGE", "EXPECTED", "ACTUAL", "HELP", Location("prog.asm", 3), "visible", ("WHY",)),
    CheckResult("later", Status.FAILED, 2, "AFTER-DUE", "x", "y", visibility="after_due_date"),
    CheckResult("concealed name", Status.FAILED, 2, "CONCEALED", "tulip", "rose", "look there", visibility="hidden"),
    CheckResult("follows", Status.SKIPPED, 1, "needs “concealed name” to pass first"),
    CheckResult("fine", Status.PASSED, 1),
)  # fmt: skip
RESULT = ExerciseResult(
    "ch09/prog",
    "t",
    CHECKS,
    (DiagnosticRecord("warning", "odd", "prog.asm:1: DIAGNOSTIC"),),
    instructions=123_457,
)
HIDDEN = ("concealed", "CONCEALED", "tulip", "rose", "look there", "123457", "123,457")
SHOWN: dict[str, tuple[str, ...]] = {
    "full": ("MESSAGE", "WHY", "EXPECTED", "ACTUAL", "HELP", "prog.asm:3", "DIAGNOSTIC"),
    "actual-only": ("ACTUAL", "WHY", "prog.asm:3", "DIAGNOSTIC", "not as it should be"),
    "category": ("not as it should be",),
    "none": (),
}
EVERYTHING = {*SHOWN["full"], "not as it should be", "not tried"}


def book(result: ExerciseResult, student: str = "ada", name: str = ""):  # type: ignore[no-untyped-def]
    return make_gradebook([Graded(Entry(student, 1, "ch09/prog", name, None, "k"), result)])


@pytest.mark.parametrize("level", DISCLOSURE_LEVELS)
def test_a_students_page(level: str) -> None:
    page = student_report(book(RESULT)[0], "hw", Disclosure(level))
    for secret in (*HIDDEN, "AFTER-DUE", "later"):
        assert secret not in page, secret
    for text in SHOWN[level]:
        assert text in page, text
    for text in EVERYTHING - set(SHOWN[level]) - {"not tried"}:
        assert text not in page, text
    assert "Further checks are not shown here" in page


@pytest.mark.parametrize("level", DISCLOSURE_LEVELS)
@pytest.mark.parametrize("shown", [{"visible"}, {"visible", "after_due_date"}])
def test_a_reduced_result(level: str, shown: set[str]) -> None:
    reduced = Disclosure(level, shown).result(RESULT)
    text = json.dumps(reduced.as_json(), ensure_ascii=False)
    assert not any(secret in text for secret in HIDDEN)
    assert ("later" in text) == ("after_due_date" in shown)
    assert reduced.max_score == (6 if "after_due_date" in shown else 4)


def test_a_whole_report() -> None:
    reduced = Disclosure().report(Report((RESULT,), 0, "1"))
    assert [check.name for check in reduced.checks] == ["open", "follows", "fine"]


def test_the_hidden_points_are_not_in_the_sum_that_a_student_reads() -> None:
    page = student_report(book(RESULT)[0], "hw", Disclosure("full"))
    assert "1/4" in page
    assert "of 8 points" not in page


def test_a_page_does_not_tell_how_hidden_checks_went() -> None:
    """Not by the exercise's outcome, and not by the points that lateness left."""
    good = CheckResult("open", Status.PASSED, 4)
    hidden = CheckResult("concealed name", Status.FAILED, 8, "CONCEALED", visibility="hidden")
    pages = set()
    for status in (Status.FAILED, Status.PASSED, Status.BROKEN):
        result = ExerciseResult("ch09/prog", "t", (good, replace(hidden, status=status)))
        graded = Graded(Entry("ada", 1, "ch09/prog", "", 3600.0, "k"), result)
        late = make_gradebook([graded], Deadline(0.0, 0.5, 0))
        pages.add(student_report(late[0], "hw", Disclosure()))
    assert len(pages) == 1
    assert "After the penalty for lateness: 2 points" in pages.pop()


def test_an_unknown_level() -> None:
    with pytest.raises(ValueError, match="'some' is none of full"):
        Disclosure("some")


class Tags(HTMLParser):
    """Every element and attribute that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


MEAN = "</pre><script>alert(1)</script>\x1b[2J\u202e&amp;<img src=x onerror=y>"


def test_what_a_submission_prints_cannot_act_in_a_page(tmp_path) -> None:  # type: ignore[no-untyped-def]
    check = CheckResult(MEAN, Status.FAILED, 1, MEAN, MEAN, MEAN + "\n" + MAP, MEAN, Location(MEAN, 1))
    result = ExerciseResult("ch09/prog", MEAN, (check,), (DiagnosticRecord("error", MEAN, MEAN),))
    students = book(result, MEAN, MEAN)
    index = write_reports(tmp_path, students, MEAN)
    pages = [path.read_text() for path in tmp_path.rglob("*.html")]
    assert len(pages) == 2
    for page in pages:
        assert "\x1b" not in page
        assert "\u202e" not in page
        seen = Tags()
        seen.feed(page)
        assert not seen.names & {"script", "img", "link", "iframe", "object", "base", "form"}
        assert not seen.attributes & {"src", "onerror", "onclick", "onload", "action"}
        assert "url(" not in page
        assert "@import" not in page
        assert "default-src 'none'" in page
    assert index.name == "index.html"
    assert "<svg" in pages[0]
    assert "<svg" in pages[1]


def test_a_memory_map_is_drawn() -> None:
    check = CheckResult("map", Status.FAILED, 1, "m", "e", MAP)
    page = student_report(book(ExerciseResult("ch09/prog", "t", (check,)))[0], "hw", Disclosure())
    assert page.count('class="area') == 3
    assert "[stack]" in page


def test_the_class_page_counts() -> None:
    page = class_report(book(RESULT), "hw", {"ada": "students/0001-ada.html"})
    assert 'href="students/0001-ada.html"' in page
    assert "concealed name" in page  # the instructor's
