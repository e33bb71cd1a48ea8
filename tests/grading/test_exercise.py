"""Finding the course and its exercises, and reading what is submitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grading.fakes import write_exercise
from toolkit.grading.exercise import Course, CourseError, Exercise, SubmissionError, find_course
from toolkit.grading.hints import read_hints

GRADER = "from toolkit.grading import check\n@check('c')\ndef c(program): pass\n"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    for identity in ("ch02/hello", "ch04/mmap", "ch04/mmap_write", "mem/hello"):
        write_exercise(tmp_path / "exercises" / identity, GRADER)
    return Course(tmp_path / "exercises")


def identities(exercises: tuple[Exercise, ...]) -> list[str]:
    return [exercise.identity for exercise in exercises]


TARGETS = {
    "ch04": ["ch04/mmap", "ch04/mmap_write"],
    "ch04/mmap": ["ch04/mmap"],
    "mmap": ["ch04/mmap"],
    "mmap.asm": ["ch04/mmap"],
    "ch02/hello/": ["ch02/hello"],
}


@pytest.mark.parametrize("target", TARGETS)
def test_targets(course: Course, target: str) -> None:
    assert identities(course.select([target])) == TARGETS[target]


@pytest.mark.parametrize(
    "path", ["exercises/ch04/mmap", "exercises/ch04/mmap/mmap.asm", "exercises/ch04/mmap/grader.py"]
)
def test_paths(course: Course, path: str) -> None:
    assert identities(course.select([path], base=course.folder.parent)) == ["ch04/mmap"]


def test_a_chapters_path_and_the_courses(course: Course) -> None:
    assert len(course.select(["exercises/ch04"], base=course.folder.parent)) == 2
    assert len(course.select(["."], base=course.folder.parent)) == 4


def test_no_target_means_all_and_each_comes_once(course: Course) -> None:
    assert identities(course.select([])) == ["ch02/hello", "ch04/mmap", "ch04/mmap_write", "mem/hello"]
    assert len(course.select(["ch04", "mmap", "ch04/mmap"])) == 2


def test_a_word_narrows(course: Course) -> None:
    assert identities(course.select([], "WRITE")) == ["ch04/mmap_write"]
    with pytest.raises(CourseError, match="no exercise matches"):
        course.select([], "nothing")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("hello", "not unique: ch02/hello or mem/hello"),
        ("mmpa", "did you mean mmap"),
        ("ch4", "did you mean"),
        ("CH04/MMAP", r"did you mean ch04/mmap,"),
        ("ch04/mmp", r"did you mean ch04/mmap,"),
        ("zzzzzz", "toolkit list"),
    ],
)
def test_what_is_not_found(course: Course, target: str, message: str) -> None:
    with pytest.raises(CourseError, match=message):
        course.select([target])


def test_the_nearest_exercises_upwards(course: Course) -> None:
    inner = course.folder / "ch04" / "mmap"
    assert find_course(inner) == course.folder
    assert find_course(course.folder) == course.folder
    assert find_course(course.folder.parent) == course.folder


def test_several_sources_and_the_order_of_linking(tmp_path: Path) -> None:
    folder = write_exercise(tmp_path / "ch05" / "two", GRADER, a_dot_asm="a", z_dot_asm="z", x_dot_inc="inc")
    exercise = Exercise(folder)
    assert exercise.source_names == ("two.asm", "a.asm", "z.asm")
    submission = exercise.own_submission()
    assert [file.name for file in submission.support] == ["x.inc"]
    folder.joinpath("grader.py").write_text("SOURCES = ('z.asm', 'two.asm')\n" + GRADER)
    assert Exercise(folder).source_names == ("z.asm", "two.asm")


def test_reference_and_mutants_take_what_they_lack_from_elsewhere(tmp_path: Path) -> None:
    folder = write_exercise(
        tmp_path / "ch05" / "two",
        GRADER,
        library_dot_asm="starter library",
        reference__two_dot_asm="reference",
        reference__library_dot_asm="reference library",
        mutants__wrong_dot_asm="wrong",
        mutants__other__library_dot_asm="wrong library",
        files__data__x_dot_txt="x",
    )
    exercise = Exercise(folder)
    text = {file.name: file.data for file in exercise.reference().sources}
    assert text == {"two.asm": b"reference", "library.asm": b"reference library"}
    other, wrong = exercise.mutants()
    assert [file.data for file in exercise.mutant(wrong).sources] == [b"wrong", b"reference library"]
    assert [file.data for file in exercise.mutant(other).sources] == [b"reference", b"wrong library"]
    assert [file.name for file in exercise.support] == ["data/x.txt"]


@pytest.mark.parametrize("place", ["my.asm", "inbox", "inbox/two", "inbox/ch05/two"])
def test_submissions_by_file_and_folder(tmp_path: Path, place: str) -> None:
    exercise = Exercise(write_exercise(tmp_path / "ch05" / "two", GRADER))
    path = tmp_path / place
    if path.suffix:
        path.write_text("handed in")
    else:
        path.mkdir(parents=True)
        (path / "two.asm").write_text("handed in")
    given = path if path.suffix else tmp_path / "inbox"
    assert exercise.submission_at(given).sources[0].data == b"handed in"


def test_a_folder_without_the_file(tmp_path: Path) -> None:
    exercise = Exercise(write_exercise(tmp_path / "ch05" / "two", GRADER))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SubmissionError, match=r"empty holds no two\.asm"):
        exercise.submission_at(tmp_path / "empty")


def test_hints_are_headings_of_the_second_level_outside_code(tmp_path: Path) -> None:
    (tmp_path / "hints.md").write_text(
        "# Hints\nintro\n## One\ntext\n```\n## no heading\n```\n## Two\nmore\n"
    )
    assert [(hint.heading, hint.text) for hint in read_hints(tmp_path)] == [
        ("One", "text\n```\n## no heading\n```"),
        ("Two", "more"),
    ]
    assert read_hints(tmp_path / "nowhere") == ()
