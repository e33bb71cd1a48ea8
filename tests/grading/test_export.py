"""Each result format, held to a schema written from its owner's documentation (the formats' field names)."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import jsonschema
import pytest

from toolkit.grading.disclosure import Disclosure
from toolkit.grading.evidence import DiagnosticRecord, Location
from toolkit.grading.export import export, to_prairielearn
from toolkit.grading.formats import DISCLOSURE_LEVELS, FORMATS
from toolkit.grading.report import CheckResult, ExerciseResult, Report, Status

NASTY = 'quotes " <tag> & ]]> % : , ` ``` | \x1b[31m \x00 é\nsecond line'

PASSED = CheckResult("assembles and links", Status.PASSED, 0)
GOOD = CheckResult("prints", Status.PASSED, 2)
FAILED = CheckResult(
    "maps # the, file",
    Status.FAILED,
    3,
    NASTY,
    '"a"',
    NASTY,
    "Look again.",
    Location("mmap.asm", 12, 5),
    "hidden",
    ("why",),
)
SKIPPED = CheckResult("later", Status.SKIPPED, 1, "needs “prints”")
BROKEN = CheckResult("dies", Status.BROKEN, 1.5, "the worker process was ended by SIGABRT")
REPORT = Report(
    (
        ExerciseResult("ch04/mmap", "Map", (PASSED, GOOD, FAILED, SKIPPED), instructions=9),
        ExerciseResult("ch04/brk", "Grow", (PASSED, BROKEN)),
    ),
    7,
    "0.1.0",
)
ALL_GOOD = Report((ExerciseResult("ch04/mmap", "Map", (PASSED, GOOD)),), 0, "0.1.0")
UNBUILT = Report(
    (
        ExerciseResult(
            "ch04/mmap",
            "Map",
            (CheckResult("assembles and links", Status.FAILED, 0, "no such instruction"), SKIPPED),
            (DiagnosticRecord("error", "no such instruction", "mmap.asm:3:1: error: no such instruction"),),
        ),
    ),
    0,
    "0.1.0",
)

TEXT = {"type": "string"}
NUMBER = {"type": "number"}
OPTIONAL_TEXT = {"type": ["string", "null"]}
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
TEXT_FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}


def record(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """A JSON object with exactly these properties."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


LOCATION = {
    "anyOf": [
        {"type": "null"},
        record({"file": TEXT, "line": {"type": "integer"}, "column": {"type": ["integer", "null"]}}),
    ]
}
STATUS = {"enum": ["passed", "failed", "skipped", "broken"]}
SCHEMAS: dict[str, dict[str, Any]] = {
    "json": record(
        {
            "version": {"const": 1},
            "toolkit": TEXT,
            "seed": {"type": "integer"},
            "exercises": array(
                record(
                    {
                        "id": TEXT,
                        "status": {"enum": ["passed", "failed", "broken"]},
                        "score": NUMBER,
                        "max_score": NUMBER,
                        "checks": array(
                            record(
                                {
                                    "name": TEXT,
                                    "status": STATUS,
                                    "score": NUMBER,
                                    "max_score": NUMBER,
                                    "message": TEXT,
                                    "expected": OPTIONAL_TEXT,
                                    "actual": OPTIONAL_TEXT,
                                    "help": OPTIONAL_TEXT,
                                    "location": LOCATION,
                                    "visibility": VISIBILITY,
                                }
                            )
                        ),
                        "diagnostics": array({"type": "object"}),
                        "instructions": {"type": "integer"},
                    }
                )
            ),
            "score": NUMBER,
            "max_score": NUMBER,
        }
    ),
    "gradescope": record(
        {
            "score": NUMBER,
            "output": TEXT,
            "output_format": TEXT_FORMAT,
            "tests": array(
                record(
                    {
                        "score": NUMBER,
                        "max_score": NUMBER,
                        "status": {"enum": ["passed", "failed"]},
                        "name": TEXT,
                    },
                    name_format=TEXT_FORMAT,
                    number=TEXT,
                    output=TEXT,
                    output_format=TEXT_FORMAT,
                    tags=array(TEXT),
                    visibility=VISIBILITY,
                    extra_data={"type": "object"},
                )
            ),
        },
        execution_time=NUMBER,
        test_output_format=TEXT_FORMAT,
        test_name_format=TEXT_FORMAT,
        visibility=VISIBILITY,
        stdout_visibility=VISIBILITY,
        extra_data={"type": "object"},
        leaderboard=array({"type": "object"}),
    ),
    "classroom50": {
        "type": "object",
        "properties": {
            "schema": {"const": "classroom50/result/v1"},
            **dict.fromkeys(("classroom", "assignment", "submission", "commit", "release", "review"), TEXT),
            "score": {"type": "integer"},
            "max-score": {"type": "integer"},
            "tests": array(
                {
                    "type": "object",
                    "properties": {
                        "test-name": TEXT,
                        "passed": {"type": "boolean"},
                        "score": {"type": "integer"},
                        "max-score": {"type": "integer"},
                    },
                    "required": ["test-name", "passed", "score", "max-score"],
                }
            ),
        },
        "required": [
            "schema",
            "classroom",
            "assignment",
            "submission",
            "commit",
            "release",
            "review",
            "score",
            "max-score",
            "tests",
        ],
    },
    "prairielearn": record(
        {
            "gradable": {"type": "boolean"},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "message": TEXT,
            "tests": array(
                record(
                    {
                        "name": TEXT,
                        "description": TEXT,
                        "points": NUMBER,
                        "max_points": NUMBER,
                        "message": TEXT,
                    },
                    output=TEXT,
                    images=array({"type": "object"}),
                )
            ),
        },
        output=TEXT,
        format_errors=array(TEXT),
        images=array({"type": "object"}),
    ),
    "exercism": record(
        {"version": {"const": 3}, "status": {"enum": ["pass", "fail", "error"]}, "message": OPTIONAL_TEXT},
        tests=array(
            record(
                {"name": TEXT, "test_code": TEXT, "status": {"enum": ["pass", "fail", "error"]}},
                message=OPTIONAL_TEXT,
                output={"type": ["string", "null"], "maxLength": 500},
                task_id={"type": "integer"},
            )
        ),
    ),
    "check50": record(
        {
            "slug": TEXT,
            "version": TEXT,
            "results": array(
                record(
                    {
                        "name": TEXT,
                        "description": TEXT,
                        "passed": {"type": ["boolean", "null"]},
                        "log": array(TEXT),
                        "cause": {"type": ["object", "null"]},
                        "data": {"type": "object"},
                        "dependency": OPTIONAL_TEXT,
                    }
                )
            ),
        }
    ),
}


@pytest.mark.parametrize(
    "report", [REPORT, ALL_GOOD, UNBUILT, Report((), 0, "0")], ids=["mixed", "good", "unbuilt", "empty"]
)
@pytest.mark.parametrize("name", SCHEMAS)
def test_json_formats_fit_their_schema(name: str, report: Report) -> None:
    jsonschema.validate(json.loads(export(report, name, {})), SCHEMAS[name])


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pretty"])
def test_every_format_is_deterministic_and_ends_a_line(name: str) -> None:
    text = export(REPORT, name, {})
    assert text == export(REPORT, name, {})
    assert text.endswith("\n")
    text.encode()


@pytest.mark.parametrize("level", DISCLOSURE_LEVELS)
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pretty"])
def test_no_format_tells_of_a_hidden_check(name: str, level: str) -> None:
    secret = CheckResult(
        "SECRET NAME", Status.FAILED, 977, "SECRET", "SECRET", "SECRET", "SECRET", visibility="hidden"
    )
    waits = CheckResult("waits", Status.SKIPPED, 1, "needs “SECRET NAME” to pass first")
    report = Report(
        (ExerciseResult("ch04/mmap", "Map", (PASSED, GOOD, secret, waits), instructions=977),), 0, "1"
    )
    text = export(Disclosure(level).report(report), name, {})
    assert "SECRET" not in text
    assert "97" not in text  # neither its points nor how much its run executed


def test_gradescope_keeps_visibility_and_marks_what_is_not_the_students() -> None:
    tests = json.loads(export(REPORT, "gradescope"))["tests"]
    assert [test["status"] for test in tests] == ["passed", "passed", "failed", "failed", "passed", "failed"]
    assert tests[2]["visibility"] == "hidden"
    assert tests[5]["tags"] == ["broken"]
    assert "not the student's fault" in json.loads(export(REPORT, "gradescope"))["output"]


def test_classroom50_takes_its_fields_from_the_environment() -> None:
    document = json.loads(export(REPORT, "classroom50", {"CLASSROOM": "asm", "COMMIT_URL": "u"}))
    assert (document["classroom"], document["commit"], document["review"]) == ("asm", "u", "")
    assert document["score"] == 2


def test_prairielearn_stays_below_a_megabyte() -> None:
    long = CheckResult("long", Status.FAILED, 1, "x" * 40_000)
    report = Report((ExerciseResult("a/b", "t", (PASSED, *[long] * 60)),), 0, "0")
    text = to_prairielearn(report)
    assert len(text.encode()) <= 1_000_000
    jsonschema.validate(json.loads(text), SCHEMAS["prairielearn"])


@pytest.mark.parametrize(("report", "status"), [(ALL_GOOD, "pass"), (REPORT, "fail"), (UNBUILT, "error")])
def test_exercism_status(report: Report, status: str) -> None:
    document = json.loads(export(report, "exercism"))
    assert document["status"] == status
    if status == "error":
        assert "mmap.asm:3:1" in document["message"]


def test_check50_says_null_for_what_did_not_run() -> None:
    assert [each["passed"] for each in json.loads(export(REPORT, "check50"))["results"]] == [
        True,
        True,
        False,
        None,
        True,
        None,
    ]


def test_junit() -> None:
    root = ElementTree.fromstring(export(REPORT, "junit"))
    assert root.tag == "testsuites"
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    cases = root.findall("./testsuite/testcase")
    assert [[child.tag for child in case] for case in cases] == [
        [],
        [],
        ["failure"],
        ["skipped"],
        [],
        ["error"],
    ]
    assert cases[2].get("file") == "mmap.asm"
    assert cases[2].get("line") == "12"
    assert cases[2].get("classname") == "ch04.mmap"
    failure = cases[2].find("failure")
    assert failure is not None
    assert "<tag> & ]]>" in (failure.text or "")
    assert "\x1b" not in (failure.text or "")


def test_github_annotations_are_escaped_and_most_useful_first() -> None:
    first, second, third = export(REPORT, "github").splitlines()
    assert first.startswith(
        "::error file=exercises/ch04/mmap/mmap.asm,line=12,col=5,title=ch04/mmap%3A maps # the%2C file::"
    )
    assert "%25 : ," in first
    assert "%0Asecond line" in first
    assert second.startswith("::warning title=ch04/brk%3A dies::")
    assert third.startswith("::notice title=toolkit::")


def test_tap_14() -> None:
    lines = export(REPORT, "tap").splitlines()
    assert lines[:2] == ["TAP version 14", "1..6"]
    points = [line for line in lines if re.match(r"(not )?ok", line)]
    assert [re.match(r"((?:not )?ok) (\d+) - ", line)[2] for line in points] == list("123456")  # type: ignore[index]
    assert points[2] == "not ok 3 - ch04/mmap: maps \\# the, file"
    assert points[3].endswith("# SKIP needs “prints”")
    block = lines[lines.index(points[2]) + 1 :]
    assert block[0] == "  ---"
    end = block.index("  ...")
    for line in block[1:end]:
        name, _, value = line.strip().partition(": ")
        assert name in ("message", "severity", "expected", "actual", "at")
        json.loads(value)


def test_markdown_cannot_be_broken_out_of() -> None:
    text = export(REPORT, "markdown")
    rows = [line for line in text.splitlines() if line.startswith("| ch04")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [5] * 6
    fence = re.search(r"^(`+)text$", text, re.MULTILINE)
    assert fence is not None
    assert len(fence[1]) == 4


def test_csv_is_no_formula() -> None:
    report = Report((ExerciseResult("a/b", "t", (CheckResult("=1+1", Status.FAILED, 1, "-5\nx"),)),), 0, "0")
    rows = list(csv.reader(io.StringIO(export(report, "csv"))))
    assert rows[0] == ["exercise", "check", "status", "score", "max_score", "message", "location"]
    assert rows[1] == ["a/b", "'=1+1", "failed", "0", "1", "'-5\nx", ""]
