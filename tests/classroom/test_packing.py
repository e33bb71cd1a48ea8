"""Which of a hand-in's files are graded, and how much of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.classroom.class_cases import GOOD, GRADER
from toolkit.classroom.intake import Attempt
from toolkit.classroom.packing import PackedExercise, submission_of
from toolkit.grading.exercise import Exercise, SubmissionError

MEBIBYTE = 1 << 20
FOUND: dict[str, tuple[dict[str, bytes], str]] = {
    "anywhere": ({"work/final/prog.asm": b"nop\n"}, "nop"),
    "nearest to the top": ({"a/b/prog.asm": b"ret\n", "a/prog.asm": b"nop\n"}, "nop"),
    "by its exercise's name": ({"prog.asm": b"ret\n", "prog/prog.asm": b"nop\n"}, "nop"),
    "by its chapter's name": ({"prog/prog.asm": b"ret\n", "x/ch09/prog/prog.asm": b"nop\n"}, "nop"),
    "not the course's copies": ({"prog/reference/prog.asm": b"ret\n", "old/prog.asm": b"nop\n"}, "nop"),
}
REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "too long": ({"prog.asm": b"; x\n" * 300_000}, "prog.asm is 1,200,000 bytes long; a source may have 262,144"),
    "a long line": ({"prog.asm": b"nop\ndb " + b"1," * 40_000}, "line 2 of prog.asm is 80,003 bytes long"),
    "a long include": ({"prog.asm": GOOD, "big.inc": b";\n" * MEBIBYTE}, "big.inc is 2,097,152 bytes long"),
    "many includes": (
        {"prog.asm": GOOD, **{f"{n}.inc": b"; x\n" * 60_000 for n in range(5)}},
        "bytes together; a submission may have 1,048,576",
    ),
    "a program": ({"prog.asm": b"\x7fELF"}, "already assembled"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_where_a_source_is_found(exercise: PackedExercise, case: str) -> None:
    files, text = FOUND[case]
    submission = submission_of(exercise, Attempt("ada", files=files))
    assert submission is not None
    assert submission.sources[0].data.decode().strip() == text


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_graded(exercise: PackedExercise, case: str) -> None:
    files, words = REFUSED[case]
    with pytest.raises(SubmissionError) as caught:
        submission_of(exercise, Attempt("ada", files=files))
    assert words in str(caught.value)


def test_nothing_handed_in(exercise: PackedExercise) -> None:
    assert submission_of(exercise, Attempt("ada", files={"other.asm": b"nop\n"})) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the host has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    course = tmp_path / "course" / "ch09" / "prog"
    course.mkdir(parents=True)
    (course / "grader.py").write_text(GRADER)
    (course / "prog.asm").write_bytes(GOOD)
    work = tmp_path / "work"
    work.mkdir()
    os.mkfifo(work / "prog.asm")
    with pytest.raises(SubmissionError, match="no regular file"):
        Exercise(course).submission_at(work)
