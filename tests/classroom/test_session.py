"""A whole grading: what is kept, what is graded again, and what an interruption costs."""

from __future__ import annotations

import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.classroom.class_cases import GOOD, GRADER, SILENT, WRONG
from toolkit.classroom.gradebook import make_gradebook
from toolkit.classroom.jobs import GradeJob, seed_of
from toolkit.classroom.packing import PackedExercise, pack
from toolkit.classroom.roster import Student
from toolkit.classroom.session import Settings, make_plan, run_plan
from toolkit.classroom.store import Entry, Store, StoreError
from toolkit.grading.categories import Category
from toolkit.grading.evidence import DiagnosticRecord, FileData, Location
from toolkit.grading.exercise import Exercise, Submission
from toolkit.grading.report import CheckResult, ExerciseResult, Status

Tree = Callable[[dict[str, bytes]], Path]
FILES = {
    "ada/prog.asm": GOOD,
    "bob/prog.asm": WRONG,
    "cid/prog.asm": GOOD,
    "dan/prog.asm": b"mov",
    "eve/other.asm": GOOD,
}
RESULT = ExerciseResult(
    "ch09/prog",
    "A title",
    (
        CheckResult(
            "a",
            Status.FAILED,
            2.5,
            "m",
            "e",
            "x\x00\x1b",
            "h",
            Location("p.asm", 3),
            "hidden",
            ("why",),
            Category.OUTPUT,
        ),
        CheckResult("b", Status.PASSED, 1),
    ),
    (DiagnosticRecord("warning", "m", "t", Location("p.asm", 3, 7), "h"),),
    99,
)


def test_results_come_back_as_they_were(store: Store) -> None:
    session = store.open_session("hw", {"a": 1})
    store.set_entries(
        session, [Entry("ada", 1, "ch09/prog", "Ada", 1.5, "k"), Entry("bob", 1, "ch09/prog", problem="lost")]
    )
    store.put("k", RESULT)
    store.put("k", RESULT)
    first, second = store.graded(session)
    assert first.result == RESULT
    assert (first.entry.name, first.entry.submitted_at) == ("Ada", 1.5)
    assert (second.result, second.entry.problem) == (None, "lost")
    assert store.known(["k", "other"]) == {"k"}
    assert store.settings(session) == {"a": 1}


def test_broken_results_are_tried_again(store: Store) -> None:
    broken = ExerciseResult("ch09/prog", "t", (CheckResult("x", Status.BROKEN, 0, "ours"),))
    store.put("k", broken)
    assert store.known(["k"]) == set()


def test_sessions(store: Store) -> None:
    first = store.open_session("one", {})
    assert store.open_session("one", {"seed": 4}) == first
    store.open_session("two", {})
    assert store.sessions() == ["one", "two"]
    assert store.session_id(None) == store.session_id("two") != first
    assert store.session_id("three") is None


def test_entries_are_replaced(store: Store) -> None:
    session = store.open_session("hw", {})
    store.set_entries(session, [Entry(f"s{n}", 1, "e") for n in range(1200)])
    store.set_entries(session, [Entry("only", 1, "e")])
    assert [each.entry.student for each in store.graded(session)] == ["only"]


@pytest.mark.parametrize("url", ["nodriver://x", "/nowhere/at/all/x.sqlite", "not a url://"])
def test_databases_that_cannot_be_used(url: str) -> None:
    with pytest.raises(StoreError, match="can't be opened"):
        Store(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"this is no database, but long enough to look like one" * 100)
    with pytest.raises(StoreError, match="can't be opened"):
        Store(str(path))


def test_grading_a_class(tree: Tree, store: Store, exercise: PackedExercise) -> None:
    settings = Settings("hw", workers=2)
    roster = [
        Student(name, name.title(), aliases=frozenset({name}))
        for name in ("ada", "bob", "cid", "dan", "eve", "fay")
    ]
    plan = make_plan([tree(FILES)], [exercise], roster, settings)
    seen: list[str] = []
    assert (
        run_plan(plan, store, settings, lambda job, result: seen.append(job.key)) == 3
    )  # ada's and cid's are the same
    assert len(set(seen)) == 3
    session = store.session_id("hw")
    assert session is not None
    book = make_gradebook(store.graded(session), worth=store.settings(session)["maxima"])
    found = {each.student: (each.lines["ch09/prog"].status, each.score, each.max_score) for each in book}
    assert found == {
        "ada": ("passed", 5, 5),
        "bob": ("failed", 0, 5),
        "cid": ("passed", 5, 5),
        "dan": ("failed", 0, 5),
        "eve": ("missing", 0, 5),
        "fay": ("missing", 0, 5),
    }
    assert run_plan(make_plan([tree(FILES)], [exercise], roster, settings), store, settings) == 0
    changed = make_plan([tree({"bob/prog.asm": SILENT})], [exercise], roster, settings)
    assert run_plan(changed, store, settings) == 1


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda job: job, True),
        (lambda job: replace(job, seed=1), False),
        (lambda job: replace(job, submission=Submission((FileData("prog.asm", b"x"),))), False),
        (
            lambda job: replace(
                job, submission=Submission(job.submission.sources, (FileData("a.inc", b""),))
            ),
            False,
        ),
        (lambda job: replace(job, exercise=replace(job.exercise, grader_text=GRADER + "#")), False),
        (lambda job: replace(job, exercise=replace(job.exercise, files=(FileData("f", b""),))), False),
        (lambda job: pickle.loads(pickle.dumps(job)), True),
    ],
)
def test_what_makes_another_grading(exercise: PackedExercise, change, same: bool) -> None:  # type: ignore[no-untyped-def]
    job = GradeJob(exercise, Submission((FileData("prog.asm", GOOD),)))
    assert (change(job).key == job.key) == same


def test_every_student_has_a_seed_of_their_own(tree: Tree, exercise: PackedExercise) -> None:
    plan = make_plan([tree(FILES)], [exercise], [], Settings("hw", own_seeds=True))
    assert len(plan.jobs) == 4
    assert seed_of("ada", 0) != seed_of("bob", 0) != seed_of("bob", 1)


def test_a_private_grader(tmp_path: Path) -> None:
    public = tmp_path / "course" / "ch09" / "prog"
    private = tmp_path / "private" / "ch09" / "prog"
    for folder, text in ((public, GRADER.replace("tulip", "rose")), (private, GRADER)):
        folder.mkdir(parents=True)
        (folder / "grader.py").write_text(text)
    (public / "prog.asm").write_bytes(b"; starter")
    (public / "README.md").write_text("# Title\n")
    packed = pack(Exercise(public), tmp_path / "private")
    assert packed.grader_text == GRADER
    assert [check.visibility for check in packed.grader.checks] == ["visible", "hidden"]


SLOW_CLASS = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from class_cases import GRADER, GOOD
from toolkit.classroom.packing import PackedExercise
from toolkit.classroom.session import Settings, make_plan, run_plan
from toolkit.classroom.store import Store
exercise = PackedExercise(Path("ch09/prog"), "A program", GRADER, ("prog.asm",))
settings = Settings("hw", workers=2)
graded = []
def note(job, result):
    print(job.key, flush=True)
    time.sleep(0.01)
with Store(sys.argv[2]) as store:
    run_plan(make_plan([Path(sys.argv[1])], [exercise], [], settings), store, settings, note)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills with SIGKILL")
def test_a_grading_that_is_killed_loses_nothing_and_grades_nothing_twice(tree: Tree, tmp_path: Path) -> None:
    root = tree({f"s{n:02}/prog.asm": GOOD + b"\n; %d" % n for n in range(60)})
    database = tmp_path / "grades.sqlite"
    command = [sys.executable, "-c", SLOW_CLASS, str(root), str(database), str(Path(__file__).parent)]
    keys: list[str] = []
    for rounds in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(10 + rounds):
                keys.append(process.stdout.readline().strip())
            os.kill(process.pid, signal.SIGKILL)
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    with sqlite3.connect(database) as connection:
        (count,) = connection.execute("select count(*) from grading where status = 'passed'").fetchone()
    assert count == 60
    last = done.stdout.split()
    assert not set(keys) & set(last)  # what was reported done before the kill is not graded again
    assert len(last) <= 60 - len(set(keys))
