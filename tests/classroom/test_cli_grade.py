"""``toolkit grade``, ``results`` and ``similar`` from the command line."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.classroom.class_cases import GOOD, GRADER, SILENT, WRONG
from toolkit.classroom.store import Store
from toolkit.cli import cli

Tree = Callable[[dict[str, bytes]], Path]


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with one exercise, entered."""
    folder = tmp_path / "course"
    exercise = folder / "exercises" / "ch09" / "prog"
    exercise.mkdir(parents=True)
    (exercise / "grader.py").write_text(GRADER)
    (exercise / "README.md").write_text("# A program\n")
    (exercise / "prog.asm").write_bytes(b"; starter\n")
    monkeypatch.chdir(folder)
    return folder


def toolkit(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)


def test_a_class_from_end_to_end(course: Path, tree: Tree) -> None:
    root = tree({"ada/prog.asm": GOOD, "b\x1bob/prog.asm": SILENT, "cid/prog.asm": WRONG, "dan/x.txt": b""})
    done = toolkit("grade", root, "-e", "ch09", "--report", "out", "--name", "hw")
    assert done.exit_code == 2, done.output
    assert "\x1b" not in done.output
    assert "4 students; 1 passed, 2 failed, 1 unreadable" in done.output
    pages = list(Path("out").rglob("*.html"))
    assert len(pages) == 5
    student_pages = [path.read_text() for path in Path("out/students").iterdir()]
    assert not any("tulip" in page for page in student_pages)

    table = list(csv.reader(io.StringIO(toolkit("results", "--format", "csv").output)))
    assert [row[2] for row in table] == ["ch09/prog", "5", "2", "0", "0"]
    document = json.loads(toolkit("results", "--format", "json").output)
    assert [student["max_score"] for student in document["students"]] == [5, 5, 5, 5]
    assert "prints" in toolkit("results", "--checks").output
    assert "b\\x1bob" in toolkit("results", "--failed", "prints").output
    assert "100 %" in toolkit("results", "--distribution").output
    assert "2/5" in toolkit("results", "--student", "b\x1bob").output
    assert toolkit("results", "--list").output == "hw\n"


USAGE: dict[str, tuple[list[str], str]] = {
    "no submissions": (["grade", "nowhere", "-e", "ch09"], "nowhere does not exist"),
    "no exercise": (["grade", ".", "-e", "ch99"], "ch99"),
    "a bad date": (["grade", ".", "-e", "ch09", "--due", "soon"], "'soon' is no date"),
    "a bad penalty": (["grade", ".", "-e", "ch09", "--late", "much"], "'much' is no penalty"),
    "no graders": (["grade", ".", "-e", "ch09", "--graders", "nowhere"], "nowhere is no folder"),
    "no database": (["results", "--database", "none.sqlite"], "there is no database none.sqlite"),
    "a bad database": (["grade", ".", "-e", "ch09", "--database", "nodriver://x"], "can't be opened"),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage(course: Path, case: str) -> None:
    arguments, words = USAGE[case]
    done = toolkit(*arguments)
    assert done.exit_code == 2, done.output
    assert words in done.output


def test_a_private_grader_decides(course: Path, tree: Tree, tmp_path: Path) -> None:
    private = tmp_path / "private" / "ch09" / "prog"
    private.mkdir(parents=True)
    (private / "grader.py").write_text(GRADER.replace("tulip", "orchid"))
    root = tree({"ada/prog.asm": GOOD})
    assert toolkit("grade", root, "-e", "ch09").exit_code == 0
    assert toolkit("grade", root, "-e", "ch09", "--graders", private.parents[1]).exit_code == 1


def test_resuming_takes_up_the_exercises_the_graders_and_the_seeds(
    course: Path, tree: Tree, tmp_path: Path
) -> None:
    private = tmp_path / "private" / "ch09" / "prog"
    private.mkdir(parents=True)
    (private / "grader.py").write_text(GRADER.replace("tulip", "orchid"))
    other = course / "exercises" / "ch09" / "other"
    other.mkdir()
    (other / "grader.py").write_text(GRADER)
    root = tree({"ada/prog.asm": GOOD, "ada/other.asm": GOOD})
    options = ["-e", "prog", "--graders", private.parents[1], "--seed", "5", "--own-seeds"]
    assert toolkit("grade", root, *options).exit_code == 1
    again = toolkit("grade", root, "--resume", "--format", "json")
    (student,) = json.loads(again.output)["students"]
    assert {name: each["status"] for name, each in student["exercises"].items()} == {"ch09/prog": "failed"}
    with Store("toolkit-grades.sqlite") as store:
        assert store.sessions() == ["prog"]
        settings = store.settings(1)
    assert (settings["seed"], settings["own_seeds"]) == (5, True)


def points_of(output: str) -> list[str]:
    return [row["score"] for row in csv.DictReader(io.StringIO(output))]


def test_results_keep_to_the_rules_of_the_grading(course: Path, tree: Tree) -> None:
    root = tree({"ada/attempt-1/prog.asm": GOOD, "ada/attempt-2/prog.asm": SILENT, "bob/prog.asm": GOOD})
    for number, name in enumerate(("ada/attempt-1", "ada/attempt-2", "bob")):
        os.utime(root / name / "prog.asm", (86_400 * number + 1, 86_400 * number + 1))
    options = ["--due", "1970-01-02T00:00", "--late", "20%/day", "--attempts", "last", "--format", "csv"]
    graded = toolkit("grade", root, "-e", "prog", *options)
    assert points_of(graded.output) == ["1.6", "3"]
    assert points_of(toolkit("results", "--format", "csv").output) == ["1.6", "3"]
    assert points_of(toolkit("results", "--format", "csv", "--attempts", "best").output) == ["5", "3"]
    assert points_of(toolkit("results", "--format", "csv", "--late", "100%").output) == ["0", "0"]
    assert points_of(toolkit("grade", root, "--resume", "--format", "csv").output) == ["1.6", "3"]
    assert points_of(toolkit("grade", root, "-e", "prog", "--format", "csv").output) == ["5", "5"]


def test_similar(course: Path, tree: Tree) -> None:
    body = "\n".join(
        f" {m} rax, {n}\n push rbx\n cmp rcx, [rdx]"
        for n, m in enumerate(("add", "sub", "xor", "imul", "and"))
    )
    copied = body.replace("rax", "r9").replace("rbx", "rsi")
    root = tree(
        {
            "ada/prog.asm": f"_start:\n{body}\n".encode(),
            "bob/prog.asm": f"go:\n{copied}\n".encode(),
            "cid/prog.asm": GOOD,
        }
    )
    done = toolkit("similar", root, "-e", "ch09", "--html", "pairs")
    assert done.exit_code == 0
    assert done.output.startswith("100 %  ch09/prog  ada  bob")
    assert len(list(Path("pairs").iterdir())) == 1
    assert "no pair" in toolkit("similar", tree({"bob/prog.asm": WRONG}), "-e", "ch09").output
