"""What course systems export → attempts."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.classroom.intake import LATE, Attempt, IntakeError, find_attempts

Tree = Callable[[dict[str, bytes]], Path]
Summary = list[tuple[str, int, str]]

LAYOUTS: dict[str, tuple[dict[str, bytes], Summary]] = {
    "a folder for each student": (
        {"ada/mmap.asm": b"1", "bob/ch04/mmap/mmap.asm": b"2", "bob/.git/x.asm": b"3", "bob/notes.txt": b"4"},
        [("ada", 1, "mmap.asm"), ("bob", 1, "ch04/mmap/mmap.asm")],
    ),
    "a file for each student": (
        {"ada.asm": b"1", "bob.asm": b"2", "readme.txt": b"3"},
        [("ada", 1, "ada.asm"), ("bob", 1, "bob.asm")],
    ),
    "attempts": (
        {"ada/attempt-1/mmap.asm": b"1", "ada/attempt-2/mmap.asm": b"2", "ada/attempt-10/mmap.asm": b"3"},
        [("ada", 1, "mmap.asm"), ("ada", 2, "mmap.asm"), ("ada", 10, "mmap.asm")],
    ),
    "Moodle, folders": (
        {
            "Ada Lovelace_12345_assignsubmission_file_/mmap.asm": b"1",
            "Bob_77_assignsubmission_file_/mmap.asm": b"2",
        },
        [("12345", 1, "mmap.asm"), ("77", 1, "mmap.asm")],
    ),
    "Moodle, flat": (
        {
            "Ada Lovelace_12345_assignsubmission_file_mmap.asm": b"1",
            "Ada Lovelace_12345_assignsubmission_file_brk.asm": b"2",
            "Bob_77_assignsubmission_file_mmap.asm": b"3",
        },
        [("12345", 1, "brk.asm mmap.asm"), ("77", 1, "mmap.asm")],
    ),
    "Canvas": (
        {
            "lovelaceada_12345_67890_mmap.asm": b"1",
            "lovelaceada_12345_67999_mmap-1.asm": b"2",
            "bobbuilder_LATE_77_68000_mmap.asm": b"3",
        },
        [("12345", 1, "mmap.asm"), ("12345", 2, "mmap.asm"), ("77", 1, "mmap.asm")],
    ),
    "GitHub Classroom": (
        {
            "hw4-ada/.git/HEAD": b"x",
            "hw4-ada/mmap.asm": b"1",
            "hw4-bob-b/.git/HEAD": b"x",
            "hw4-bob-b/mmap.asm": b"2",
        },
        [("ada", 1, "mmap.asm"), ("bob-b", 1, "mmap.asm")],
    ),
    "Gradescope": (
        {
            "submission_metadata.yml": b"""---
submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: '12345'
    :email: ada@example.org
  :created_at: 2026-11-19 12:00:00 Z
submission_2:
  :submitters:
  - :name: Bob
    :email: bob@example.org
  - :name: Eve
    :email: eve@example.org
  :created_at: 2026-11-21 12:00:00 Z
../outside:
  :submitters:
  - :name: Mallory
    :email: m@example.org
""",
            "submission_1/mmap.asm": b"1",
            "submission_2/mmap.asm": b"2",
        },
        [("12345", 1, "mmap.asm"), ("bob@example.org", 1, "mmap.asm"), ("eve@example.org", 1, "mmap.asm")],
    ),
    "names with newlines and escapes": (
        {"ad\na/mmap.asm": b"1", "\x1b[31mbob/mmap.asm": b"2"},
        [("\x1b[31mbob", 1, "mmap.asm"), ("ad\na", 1, "mmap.asm")],
    ),
}


def summary(attempts: list[Attempt]) -> Summary:
    return [(each.student, each.number, " ".join(sorted(each.files))) for each in attempts]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tree: Tree, layout: str) -> None:
    files, expected = LAYOUTS[layout]
    assert summary(find_attempts([tree(files)])) == expected


EXPORTS = [("", name) for name in LAYOUTS if name.startswith(("Moodle", "Canvas", "Gradescope"))]


@pytest.mark.parametrize(("above", "layout"), [*EXPORTS, ("export/", "Canvas"), ("export/", "Gradescope")])
def test_exports_that_were_not_unpacked(tmp_path: Path, layout: str, above: str) -> None:
    files, expected = LAYOUTS[layout]
    path = zip_of(tmp_path / "export.zip", {above + name: data for name, data in files.items()})
    assert summary(find_attempts([path])) == expected


def test_archives_in_an_export_that_was_not_unpacked(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "inner.zip", {"work/mmap.asm": b"1"}).read_bytes()
    bomb = zip_of(tmp_path / "bomb.zip", {"mmap.asm": bytes(5 << 20)}).read_bytes()
    names = {
        f"{who}_{number}_assignsubmission_file_/work.zip": data
        for who, number, data in (("Ada", 1, inner), ("Bob", 2, bomb))
    }
    ada, bob = find_attempts([zip_of(tmp_path / "export.zip", names)])
    assert (ada.files, ada.problem) == ({"work/mmap.asm": b"1"}, "")
    assert (bob.files, bob.problem) == ({}, "work.zip: it holds more than 4 MiB of files")


@pytest.mark.parametrize("zipped", [False, True])
def test_canvas_tells_who_was_late_and_not_when(tree: Tree, tmp_path: Path, zipped: bool) -> None:
    files = {"adalovelace_1_11_a.asm": b"1", "bob_LATE_2_12_a.asm": b"2", "LATE_anon_x9Y_13_a.asm": b"3"}
    root = zip_of(tmp_path / "export.zip", files) if zipped else tree(files)
    attempts = {each.student: each for each in find_attempts([root])}
    assert {name: each.time for name, each in attempts.items()} == {"1": None, "2": None, "x9Y": None}
    assert {name: each.notes for name, each in attempts.items()} == {"1": (), "2": (LATE,), "x9Y": (LATE,)}


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"mmap.asm": b"1", "brk.asm": b"2"}, [("ada", 1, "brk.asm mmap.asm")]),
        (
            {"Ada_1_assignsubmission_file_/mmap.asm": b"1", "Bob_2_assignsubmission_file_/mmap.asm": b"2"},
            [("1", 1, "mmap.asm"), ("2", 1, "mmap.asm")],
        ),
        ({"ada_1_2_mmap.asm": b"1", "bob_3_4_mmap.asm": b"2"}, [("1", 1, "mmap.asm"), ("3", 1, "mmap.asm")]),
    ],
    ids=["one student's", "Moodle's export", "Canvas's export"],
)
def test_an_archive(tmp_path: Path, files: dict[str, bytes], expected: Summary) -> None:
    assert summary(find_attempts([zip_of(tmp_path / "ada.zip", files)])) == expected


def test_an_archive_in_each_students_folder(tree: Tree) -> None:
    root = tree({"ada/x.txt": b"", "Bob_77_x/y.txt": b""})
    zip_of(root / "ada" / "work.zip", {"mmap.asm": b"1"})
    zip_of(root / "eve.zip", {"mmap.asm": b"2"})
    found = {each.student: each for each in find_attempts([root])}
    assert found["ada"].files == {"mmap.asm": b"1"}
    assert found["eve"].files == {"mmap.asm": b"2"}
    assert found["Bob_77_x"].problem == "it holds no assembly source"


def test_a_damaged_archive_is_a_problem_of_its_student_alone(tree: Tree) -> None:
    root = tree({"ada/mmap.asm": b"1", "bob.zip": b"PK\3\4 nonsense"})
    ada, bob = find_attempts([root])
    assert (ada.problem, bob.student) == ("", "bob")
    assert "bob.zip: it" in bob.problem


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes links and FIFOs")
def test_links_and_devices_are_not_followed(tree: Tree, tmp_path: Path) -> None:
    secret = tmp_path / "secret.asm"
    secret.write_bytes(b"SECRET")
    root = tree({"ada/mmap.asm": b"1", "bob/x.txt": b""})
    (root / "ada" / "stolen.asm").symlink_to(secret)
    (root / "ada" / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "ada" / "waits.asm")
    (root / "eve").symlink_to(tmp_path)
    (root / "joe.asm").symlink_to(secret)
    found = {each.student: each for each in find_attempts([root])}
    assert found["ada"].files == {"mmap.asm": b"1"}
    assert len(found["ada"].notes) == 2
    assert "link" in found["eve"].problem
    assert "link" in found["joe"].problem
    assert not any(b"SECRET" in data for each in found.values() for data in each.files.values())


def test_hand_ins_found_twice_are_numbered_by_time(tmp_path: Path) -> None:
    for name, time in (("late", 2_000), ("early", 1_000)):
        (tmp_path / name / "ada").mkdir(parents=True)
        path = tmp_path / name / "ada" / "mmap.asm"
        path.write_text(name)
        os.utime(path, (time, time))
    found = find_attempts([tmp_path / "late", tmp_path / "early"])
    assert [(each.number, each.files["mmap.asm"]) for each in found] == [(1, b"early"), (2, b"late")]


@pytest.mark.parametrize("missing", [True, False])
def test_nothing_to_grade(tmp_path: Path, missing: bool) -> None:
    path = tmp_path / "nowhere" if missing else tmp_path
    with pytest.raises(IntakeError, match="does not exist" if missing else "no submissions"):
        find_attempts([path])


def test_a_gradescope_file_that_is_no_yaml(tree: Tree) -> None:
    root = tree({"submission_metadata.yml": b"a: [", "submission_1/x.asm": b""})
    with pytest.raises(IntakeError, match="can't be read"):
        find_attempts([root])


def test_a_yaml_file_can_make_no_objects(tree: Tree) -> None:
    root = tree({"submission_metadata.yml": b"!!python/object/apply:os.system ['true']", "s/x.asm": b""})
    with pytest.raises(IntakeError, match="can't be read"):
        find_attempts([root])


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX alone")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/ad\xffa"
    os.mkdir(folder)
    with open(folder + b"/mmap.asm", "wb") as file:
        file.write(b"1")
    assert [each.student for each in find_attempts([tmp_path])] == ["ad\\xffa"]
