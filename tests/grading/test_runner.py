"""The four outcomes, dependencies between checks, points, and what a grader's own mistakes become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.grading.fakes import FakeSandbox, error, write_exercise
from toolkit.grading.evidence import Broken, BuildEvidence, Evidence
from toolkit.grading.exercise import Exercise
from toolkit.grading.report import ExerciseResult, Report, Status
from toolkit.grading.runner import BUILDS, Choice, grade, grade_exercise

GRADER = """
from toolkit.grading import check, fail

@check("first", points=2)
def first(program):
    '''Say this to the student.'''
    program.run().expect.exit(0)

@check("second", points=3, depends_on=first)
def second(program):
    program.run().expect.stdout(b"hi")

@check("third", points=0.5, visibility="hidden")
def third(program):
    pass
"""


def grade_with(tmp_path: Path, sandbox: FakeSandbox, grader: str = GRADER) -> ExerciseResult:
    return grade_exercise(Exercise(write_exercise(tmp_path / "ch04" / "prog", grader)), Choice(), sandbox)


def outcomes(result: ExerciseResult) -> list[str]:
    return [check.status.value for check in result.checks]


def test_all_pass(tmp_path: Path) -> None:
    result = grade_with(tmp_path, FakeSandbox(Evidence(exit_code=0, stdout=b"hi", instructions=7)))
    assert [check.name for check in result.checks] == [BUILDS, "first", "second", "third"]
    assert (result.status, result.score, result.max_score, result.instructions) == (
        Status.PASSED,
        5.5,
        5.5,
        7,
    )
    assert (result.identity, result.title) == ("ch04/prog", "The prog exercise")


def test_a_check_is_skipped_when_what_it_needs_failed(tmp_path: Path) -> None:
    result = grade_with(tmp_path, FakeSandbox(Evidence(exit_code=1)))
    assert outcomes(result) == ["passed", "failed", "skipped", "passed"]
    assert (result.status, result.score) == (Status.FAILED, 0.5)
    assert result.checks[1].help == "Say this to the student."
    assert result.checks[2].message == "needs “first” to pass first"


def test_nothing_runs_of_what_does_not_assemble(tmp_path: Path) -> None:
    sandbox = FakeSandbox(built=BuildEvidence(diagnostics=(error("no such instruction", 3),)))
    result = grade_with(tmp_path, sandbox)
    assert outcomes(result) == ["failed", "skipped", "skipped", "skipped"]
    assert sandbox.requests == []
    first = result.checks[0]
    assert (first.message, str(first.location), first.help) == (
        "no such instruction",
        "prog.asm:3:5",
        "try again",
    )
    assert len(result.diagnostics) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1 / 0", "the grader raised ZeroDivisionError: division by zero (grader.py:5)"),
        ("program.run(at='noon')", "is no moment"),
        ("program.run().expect.signal('SIGFOO')", "no such signal"),
        ("program.nothing", "the grader raised AttributeError"),
    ],
)
def test_the_graders_own_mistakes_are_broken(tmp_path: Path, body: str, message: str) -> None:
    grader = (
        f"from toolkit.grading import check\n@check('c')\ndef c(program):\n    program.run()\n    {body}\n"
    )
    result = grade_with(tmp_path, FakeSandbox(), grader)
    assert outcomes(result) == ["passed", "broken"]
    assert message in result.checks[1].message
    assert result.status is Status.BROKEN


@pytest.mark.parametrize(
    ("grader", "message"),
    [
        ("", "has no checks"),
        ("import nothing_like_this", "can't be loaded: ModuleNotFoundError"),
        ("def (", "can't be read"),
        ("from toolkit.grading import check\n@check\ndef c(program): pass", "needs a title"),
        (
            "from toolkit.grading import check\n@check('a', visibility='x')\ndef c(program): pass",
            "visibility",
        ),
        (
            "from toolkit.grading import check\n@check('a')\ndef c(p): pass\n@check('a')\ndef d(p): pass",
            "two checks",
        ),
        ("from toolkit.grading import check\nEVENTS = 'many'\n@check('a')\ndef c(p): pass", "makes no sense"),
        ("from toolkit.grading import check\nBUDGET = 'much'\n@check('a')\ndef c(p): pass", "makes no sense"),
    ],
)
def test_a_grader_that_cannot_be_loaded_is_broken(tmp_path: Path, grader: str, message: str) -> None:
    result = grade_with(tmp_path, FakeSandbox(), grader)
    assert outcomes(result) == ["broken"]
    assert message in result.checks[0].message


def test_a_plain_assert_and_fail_are_failures(tmp_path: Path) -> None:
    grader = """
from toolkit.grading import check, fail
@check("a")
def a(program):
    assert 1 == 2, "one is not two"
@check("b")
def b(program):
    fail("wrong", expected=b"a\\x00", actual=5, help="look")
"""
    result = grade_with(tmp_path, FakeSandbox(), grader)
    assert outcomes(result) == ["passed", "failed", "failed"]
    assert result.checks[1].message == "one is not two"
    assert (result.checks[2].expected, result.checks[2].actual, result.checks[2].help) == (
        '"a\\0"',
        "5",
        "look",
    )


def test_a_missing_symbol_is_the_submissions_failure(tmp_path: Path) -> None:
    grader = "from toolkit.grading import check\n@check('c')\ndef c(program):\n    program.symbols['gone']\n"
    result = grade_with(tmp_path, FakeSandbox(), grader)
    assert result.checks[1].message == "the program defines no symbol gone"
    assert result.status is Status.FAILED


def test_a_worker_that_dies_breaks_its_check_and_no_other(tmp_path: Path) -> None:
    answers = iter([Broken("the worker process was ended by SIGABRT"), Evidence(exit_code=0)])
    grader = GRADER.replace("depends_on=first", "depends_on=None")
    sandbox = FakeSandbox(lambda request: next(answers))
    result = grade_with(tmp_path, sandbox, grader)
    assert outcomes(result) == ["passed", "broken", "failed", "passed"]
    assert "SIGABRT" in result.checks[1].message


def test_what_the_kernel_lacks_is_never_the_students_failure(tmp_path: Path) -> None:
    sandbox = FakeSandbox(Evidence(exit_code=1, unsupported=("the system call bpf (321)",)))
    result = grade_with(tmp_path, sandbox)
    assert outcomes(result) == ["passed", "broken", "skipped", "passed"]
    assert "bpf" in result.checks[1].message


@pytest.mark.parametrize(
    ("statuses", "unreadable", "expected"),
    [
        (["passed"], False, 0),
        (["passed", "failed"], False, 1),
        (["failed"], True, 2),
        (["failed", "broken"], True, 3),
    ],
)
def test_exit_status(statuses: list[str], unreadable: bool, expected: int) -> None:
    from toolkit.grading.report import CheckResult

    checks = tuple(CheckResult(name, Status(name), 1) for name in statuses)
    report = Report((ExerciseResult("a/b", "t", checks, unreadable=unreadable),), 0, "0")
    assert report.exit_status == expected


BAD_FILES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "prog.asm is missing"),
    "elf": (b"\x7fELF\x02\x01", "is an ELF file"),
    "binary": (b"mov\0", "zero byte at offset 3"),
    "empty": (b" \n", "prog.asm is empty"),
    "utf-16": ("mov".encode("utf-16"), "save it as UTF-8"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_submission_that_cannot_be_read(tmp_path: Path, case: str) -> None:
    data, message = BAD_FILES[case]
    folder = write_exercise(tmp_path / "ch04" / "prog", GRADER)
    (folder / "prog.asm").unlink()
    if data is not None:
        (folder / "prog.asm").write_bytes(data)
    result = grade_exercise(Exercise(folder), Choice(), FakeSandbox())
    assert result.unreadable
    assert message in result.checks[0].message
    assert outcomes(result) == ["failed", "skipped", "skipped", "skipped"]


def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    folder = write_exercise(tmp_path / "ch04" / "prog", GRADER)
    (folder / "prog.asm").unlink()
    (folder / "prog.asm").mkdir()
    result = grade_exercise(Exercise(folder), Choice(), FakeSandbox())
    assert "is a directory" in result.checks[0].message


def test_fail_fast_stops_within_and_between_exercises(tmp_path: Path) -> None:
    folders = [write_exercise(tmp_path / "ch04" / name, GRADER) for name in ("a", "b")]
    sandbox = FakeSandbox(Evidence(exit_code=1))
    report = grade([Exercise(each) for each in folders], Choice(fail_fast=True), sandbox)
    assert len(report.exercises) == 1
    assert outcomes(report.exercises[0]) == ["passed", "failed"]


def test_json_is_the_contracts_and_identical_each_time(tmp_path: Path) -> None:
    folder = write_exercise(tmp_path / "ch04" / "prog", GRADER)
    documents = [
        json.dumps(grade([Exercise(folder)], Choice(seed=5), FakeSandbox(Evidence(exit_code=1))).as_json())
        for _ in range(2)
    ]
    assert documents[0] == documents[1]
    document = json.loads(documents[0])
    assert list(document) == ["version", "toolkit", "seed", "exercises", "score", "max_score"]
    exercise = document["exercises"][0]
    assert list(exercise) == ["id", "status", "score", "max_score", "checks", "diagnostics", "instructions"]
    assert list(exercise["checks"][0]) == [
        *("name", "status", "score", "max_score", "message"),
        *("expected", "actual", "help", "location", "visibility"),
    ]
    assert str(tmp_path) not in documents[0]
