"""Gradebooks as files, read back by the standard library."""

from __future__ import annotations

import csv
import io
import json

import jsonschema
import pytest

from toolkit.classroom.exports import FORMATS, export, safe_cell
from toolkit.classroom.gradebook import StudentLine, make_gradebook
from toolkit.classroom.lateness import Deadline
from toolkit.classroom.store import Entry, Graded
from toolkit.grading.report import CheckResult, ExerciseResult, Status


def result(exercise: str, *statuses: Status) -> ExerciseResult:
    return ExerciseResult(
        exercise, exercise, tuple(CheckResult(f"c{n}", s, 2.5, "said") for n, s in enumerate(statuses))
    )


P, F = Status.PASSED, Status.FAILED
GRADED = [
    Graded(Entry("17", 1, "ch04/brk", "Ada, Countess", 50.0, "a"), result("ch04/brk", P, P)),
    Graded(Entry("17", 1, "ch04/mmap", "Ada, Countess", 150.0, "b"), result("ch04/mmap", P, F)),
    Graded(Entry("=HYPERLINK(1)", 1, "ch04/brk", "@SUM(A1)\nx", None, None, "it is\x1b damaged"), None),
]


@pytest.fixture
def book() -> list[StudentLine]:
    return make_gradebook(GRADED, Deadline(100.0, 0.1))


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv(book: list[StudentLine]) -> None:
    assert rows(export(book, "csv")) == [
        ["student", "name", "ch04/brk", "ch04/brk status", "ch04/mmap", "ch04/mmap status", "score", "max_score", "seconds_late"],
        ["17", "Ada, Countess", "5", "passed", "2.25", "failed", "7.25", "10", "50"],
        ["'=HYPERLINK(1)", "'@SUM(A1) x", "0", "unreadable", "", "", "0", "5", "0"],
    ]  # fmt: skip


def test_moodle(book: list[StudentLine]) -> None:
    found = rows(export(book, "moodle"))
    assert found[0] == ["Identifier", "Full name", "Grade", "Maximum Grade", "Feedback comments"]
    assert found[1] == [
        "Participant 17", "Ada, Countess", "7.25", "10", "ch04/brk: 5/5 passed; ch04/mmap: 2.25/5 failed"]  # fmt: skip


def test_canvas(book: list[StudentLine]) -> None:
    found = rows(export(book, "canvas", "Homework 4"))
    assert found[0] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Homework 4"]
    assert found[1] == ["    Points Possible", "", "", "", "", "10"]
    assert found[2] == ["Ada, Countess", "17", "", "", "", "7.25"]


SCHEMA = {
    "type": "object",
    "required": ["version", "assignment", "students"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": 1},
        "assignment": {"type": "string"},
        "students": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["student", "name", "score", "max_score", "seconds_late", "exercises"],
                "additionalProperties": False,
                "properties": {
                    "student": {"type": "string"},
                    "name": {"type": "string"},
                    "score": {"type": "number", "minimum": 0},
                    "max_score": {"type": "number", "minimum": 0},
                    "seconds_late": {"type": "integer", "minimum": 0},
                    "exercises": {
                        "type": "object",
                        "additionalProperties": {
                            "type": "object",
                            "required": [
                                "attempt",
                                "status",
                                "raw_score",
                                "score",
                                "max_score",
                                "problem",
                                "result",
                            ],
                            "properties": {
                                "status": {
                                    "enum": ["passed", "failed", "broken", "missing", "unreadable", "pending"]
                                },
                                "result": {"type": ["object", "null"]},
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_json(book: list[StudentLine]) -> None:
    document = json.loads(export(book, "json", "hw"))
    jsonschema.validate(document, SCHEMA)
    assert document["students"][0]["exercises"]["ch04/mmap"]["raw_score"] == 2.5
    assert document["students"][1]["exercises"]["ch04/brk"]["problem"] == "it is\x1b damaged"
    assert "\x1b" not in export(book, "json", "hw")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|'/c calc'!A0", "'+cmd|'/c calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM", "'@SUM"),
        ("\t=1", " =1"),
        ("-5", "-5"),
        ("-2.5", "-2.5"),
        ("plain", "plain"),
        ("a\nb\x1b", "a b "),
        ("", ""),
    ],
)
def test_cells_cannot_compute(text: str, cell: str) -> None:
    assert safe_cell(text) == cell


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_class(name: str) -> None:
    assert export([], name).endswith("\n")
