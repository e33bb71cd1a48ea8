"""What verify proves of an exercise, and what it finds wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grading.fakes import FakeSandbox, write_exercise
from toolkit.grading.evidence import Broken, BuildEvidence, Evidence, RunRequest
from toolkit.grading.exercise import Exercise
from toolkit.grading.verify import caught_by, verify

GRADER = """
from toolkit.grading import check
@check("ends well")
def ends(program):
    program.run().expect.exit(0)
@check("prints", depends_on=ends)
def prints(program):
    program.run().expect.stdout(b"x")
"""
GOOD = {
    "reference__prog_dot_asm": "0 x",
    "mutants__a_dot_asm": "; caught by: ends well\n1 x",
    "mutants__b_dot_asm": "; Prints the wrong thing.\n;  Caught by:  prints \n0 y",
    "mutants__c_dot_asm": "; caught by: prints\n0 z",
    "mutants__d_dot_asm": "; caught by: ends well\n2 x",
    "hints_dot_md": "## a\n## b\n## c\n",
}


def by_source(request: RunRequest) -> Evidence | Broken:
    """The pretended language: the last line says the exit status and what is printed."""
    line = request.build.sources[0].data.decode().splitlines()[-1].split()
    return Evidence(exit_code=int(line[0]), stdout=line[1].encode())


def problems(tmp_path: Path, starter: str = "1 x", grader: str = GRADER, **changes: str) -> dict[str, str]:
    folder = write_exercise(tmp_path / "ch04" / "prog", grader, starter, **{**GOOD, **changes})
    return {
        proof.statement: proof.reason
        for proof in verify(Exercise(folder), FakeSandbox(by_source))
        if not proof.holds
    }


def test_a_good_exercise(tmp_path: Path) -> None:
    assert problems(tmp_path) == {}


CASES: dict[str, tuple[dict[str, str], str, str]] = {
    "a starter that passes": ({"starter": "0 x"}, "the starter assembles and fails", "it passes"),
    "a reference that fails": ({"reference__prog_dot_asm": "3 x"}, "the reference passes", "ends otherwise"),
    "a mutant that passes": (
        {"mutants__a_dot_asm": "; caught by: ends well\n0 x"},
        "mutant a is rejected",
        "passed",
    ),
    "a mutant caught elsewhere": (
        {"mutants__b_dot_asm": "; caught by: prints\n1 x"},
        "mutant b is rejected",
        "“prints” skipped; failed: “ends well”",
    ),
    "a mutant that names nothing": ({"mutants__a_dot_asm": "1 x"}, "mutant a is rejected", "does not say"),
    "a mutant that names it too late": (
        {"mutants__a_dot_asm": "nop\n; caught by: ends well\n1 x"},
        "mutant a is rejected",
        "does not say",
    ),
    "a mutant that names no check": (
        {"mutants__a_dot_asm": "; caught by: nothing\n1 x"},
        "mutant a is rejected",
        "does not exist: “nothing”",
    ),
    "too few hints": ({"hints_dot_md": "## a\n"}, "README, hints and mutants are there", "3 hints"),
    "a grader that can't be loaded": ({"grader": "1/0"}, "the grader loads", "ZeroDivisionError"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_found(tmp_path: Path, case: str) -> None:
    changes, statement, reason = CASES[case]
    found = problems(tmp_path, **changes)
    assert list(found) == [statement]
    assert reason in found[statement]


def test_a_worked_example_passes_as_it_stands(tmp_path: Path) -> None:
    grader = "WORKED_EXAMPLE = True\n" + GRADER
    assert problems(tmp_path, "0 x", grader) == {}
    assert list(problems(tmp_path, "1 x", grader)) == ["the starter passes (a worked example)"]


def test_a_starter_must_assemble_and_mutants_may_be_caught_by_that(tmp_path: Path) -> None:
    folder = write_exercise(tmp_path / "ch04" / "prog", GRADER, **GOOD)
    (folder / "mutants" / "a.asm").write_text("; caught by: assembles and links\n")
    found = {each.statement: each for each in verify(Exercise(folder), FakeSandbox(built=BuildEvidence()))}
    assert "does not assemble" in found["the starter assembles and fails"].reason
    assert found["mutant a is rejected"].holds


def test_broken_is_told_apart(tmp_path: Path) -> None:
    folder = write_exercise(tmp_path / "ch04" / "prog", GRADER, **GOOD)
    proofs = list(verify(Exercise(folder), FakeSandbox(Broken("the worker died"))))
    assert [proof.broken for proof in proofs] == [False, True, True, True, True, True, True]


def test_the_first_comment_is_the_lines_at_the_top(tmp_path: Path) -> None:
    path = tmp_path / "m.asm"
    path.write_bytes("\ufeff; комментарий\r\n\r\n;caught by: the check\r\n".encode()[3:])
    assert caught_by(path) == "the check"
    assert caught_by(tmp_path / "missing.asm") is None
