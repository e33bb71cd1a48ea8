"""What was looked at is recorded at once the next time: fewer runs, and the same results."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.grading.engine import Engine
from toolkit.grading.evidence import Broken, BuildRequest, Evidence, FileData, Peek, RunRequest
from toolkit.grading.exercise import Course, Exercise, Submission, load_grader_text
from toolkit.grading.looks import LONGEST, PEEKS_KEPT, RUNS_KEPT, Looks
from toolkit.grading.runner import grade_submission

COURSE = Path(__file__).parents[2] / "exercises"
RUN = RunRequest(BuildRequest("prog", (FileData("prog.asm", b"nop"),)))


class Counting(Engine):
    """Counts the runs it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def run(self, request: RunRequest) -> Evidence | Broken:
        self.runs += 1
        return super().run(request)


def exercise(name: str) -> Exercise:
    """The exercise, whose grader has seen no program."""
    load_grader_text.cache_clear()
    return next(each for each in Course(COURSE).exercises if each.identity == name)


def mutants(of: Exercise) -> list[Submission]:
    return [of.mutant(path) for path in of.mutants()]


@pytest.mark.parametrize("name", ["ch04/stack_limit", "ch05/table", "mem/swap", "mem/three_stacks"])
def test_a_grading_after_others_is_as_one_alone(name: str) -> None:
    submissions = [exercise(name).reference(), *mutants(exercise(name))]
    alone = [grade_submission(exercise(name), each, Engine()) for each in submissions]
    shared, engine = exercise(name), Counting()
    first = [grade_submission(shared, each, engine) for each in submissions]
    once = engine.runs
    again = [grade_submission(shared, each, engine) for each in reversed(submissions)]
    assert first == alone
    assert again == alone[::-1]
    assert engine.runs - once <= once


def test_memory_is_recorded_with_the_first_run() -> None:
    shared, counts = exercise("ch05/table"), []
    for _ in range(2):
        engine = Counting()
        grade_submission(shared, shared.reference(), engine)
        counts.append(engine.runs)
    assert counts[1] < counts[0]


def test_of_another_program_only_what_the_grader_names_is_kept() -> None:
    looks = Looks()
    seen = Peek("exit", "table+8", 16)
    for peek in (
        seen,
        Peek("exit", "0x7ffff7ff0000", 16),  # an address, which a program may have chosen
        Peek("exit", "4198400", 16),
        Peek("label:again", "table", 16),  # at a moment that costs an event
        Peek("exit", "table", LONGEST + 1),
    ):
        looks.note(RUN, peek)
    other = replace(RUN, build=BuildRequest("other"))
    assert looks.with_known(other) == replace(other, peeks=(seen,))
    assert looks.with_known(replace(RUN, stdin=b"x")).peeks == ()


def test_the_start_is_noted_once_it_was_asked_for() -> None:
    looks = Looks()
    assert looks.with_known(RUN) == RUN
    at_start = replace(RUN, moments=("exit", "start"))
    assert looks.with_known(at_start) == at_start
    assert looks.with_known(RUN) == at_start
    looks.note_moment(replace(RUN, stdin=b"x"), "label:x")
    assert looks.with_known(replace(RUN, stdin=b"x")) == replace(RUN, stdin=b"x")
    looks.note_moment(replace(RUN, stdin=b"x"), "start")
    assert looks.with_known(replace(RUN, stdin=b"x")).moments == ("exit", "start")


def test_what_is_kept_is_bounded() -> None:
    looks = Looks()
    for number in range(RUNS_KEPT + 3):
        looks.note(replace(RUN, stdin=b"%d" % number), Peek("exit", "a", 1))
    for number in range(PEEKS_KEPT + 3):
        looks.note(RUN, Peek("exit", f"a+{number}", 1))
    assert [each.where for each in looks.with_known(RUN).peeks] == [
        f"a+{number}" for number in range(3, PEEKS_KEPT + 3)
    ]
    assert sum(bool(looks.with_known(replace(RUN, stdin=b"%d" % number)).peeks) for number in range(RUNS_KEPT + 3)) == RUNS_KEPT - 1  # fmt: skip
