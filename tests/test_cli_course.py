"""The student's loop without a terminal: start, list, show, hint, progress, reset, solution; and the author's new."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.grading.fakes import write_exercise
from tests.test_cli_check import GRADER as PRINTS
from tests.test_cli_check import SOLUTION, STARTER
from toolkit.cli import cli
from toolkit.cli.progress_file import FILE_NAME, load
from toolkit.grading import exercise

GRADER = "from toolkit.grading import check\n@check('c')\ndef c(program): pass\n"
HINTS = "## Vague\nfirst\n## Clearer\nsecond\n## Almost\nthird\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The course inside the package, for these tests."""
    course = tmp_path / "package" / "course"
    for identity in ("ch02/hello", "ch04/mmap"):
        name = identity.split("/")[1]
        write_exercise(
            course / identity,
            GRADER,
            f"; starter of {name}\n",
            hints_dot_md=HINTS,
            **{f"reference__{name}_dot_asm": "; solved\n"},
        )
    monkeypatch.setattr(exercise, "installed_course", lambda: course)
    return course


@pytest.fixture
def home(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LANG", "C")
    return folder


def toolkit(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def passed(course: Path, identity: str) -> None:
    progress = load(course)
    progress.update(identity, passed=True)
    progress.save()


def test_init_copies_and_never_replaces(home: Path) -> None:
    assert "copied" in toolkit("init", "mine").output
    own = home / "mine" / "exercises" / "ch04" / "mmap" / "mmap.asm"
    own.write_text("my work")
    result = toolkit("init", "mine")
    assert result.exit_code == 0
    assert result.output.startswith("0 files copied")
    assert own.read_text() == "my work"


def test_start_begins_and_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = toolkit("start")
    assert "Next: ch02/hello: The hello exercise" in first.output
    assert "cd asm-course" in first.output
    monkeypatch.chdir(home / "asm-course")
    passed(home / "asm-course" / "exercises", "ch02/hello")
    assert "Next: ch04/mmap" in toolkit("start").output
    passed(home / "asm-course" / "exercises", "ch04/mmap")
    assert "every exercise" in toolkit("start").output


def test_start_in_another_place_says_paths_from_there(home: Path) -> None:
    lines = toolkit("start", "mine").output.splitlines()
    assert lines[1] == "First: cd mine"
    assert [line.split("  ")[1] for line in lines[3:]] == [
        "toolkit show ch02/hello",
        "edit exercises/ch02/hello/hello.asm".replace("/", os.sep),
        "toolkit check ch02/hello --watch",
        "toolkit hint ch02/hello",
    ]


NEXT = {
    "a file that is gone": (None, "`toolkit reset word` brings the starter of word.asm back."),
    "an empty file": (b"\n", "`toolkit reset word` brings the starter of word.asm back."),
    "another exercise's file": (
        b"; other: print a letter\nglobal _start\n_start: ud2\n",
        "Its first line names the exercise other: `toolkit check other --submission word.asm`",
    ),
    "C": (b"int main(){return 0;}\n", "word.asm looks like C"),
    "AT&T": (b".globl _start\n_start:\n movq $60, %rax\n", "word.asm looks like GNU assembler"),
    "a README": (b"# word: a task\n\n## Background\n", "word.asm looks like Markdown"),
    "begun": (b"global _start\n_start: ud2\n", "Stuck? `toolkit hint ch09/word` gives a hint."),
    "passed": (SOLUTION.encode(), "Next: `toolkit show ch09/other`: The other exercise"),
}


@pytest.mark.parametrize("case", NEXT)
def test_what_is_next_is_said(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, words = NEXT[case]
    for name in ("other", "word"):
        write_exercise(
            tmp_path / "exercises" / "ch09" / name,
            PRINTS,
            STARTER,
            **{f"reference__{name}_dot_asm": SOLUTION},
        )
    own = tmp_path / "exercises" / "ch09" / "word" / "word.asm"
    own.unlink()
    if data is not None:
        own.write_bytes(data)
    monkeypatch.chdir(tmp_path)
    result = toolkit("check", "word")
    assert words.replace("reset word", "reset ch09/word") in result.output


def test_start_tells_of_the_chapter_and_of_a_first_hour(home: Path, package: Path) -> None:
    (package / "README.md").write_text("# The course\n\n| exercise | you |\n|---|---|\n| mmap | map |\n")
    (package / "ch02" / "README.md").write_text("# Chapter 2: words\n")
    lines = toolkit("start", "mine").output.splitlines()
    assert lines[3].split() == ["toolkit", "show", "ch02", "what", "the", "chapter", "is", "about"]
    assert lines[-1] == "Only an hour? Take these: ch04/mmap."
    passed(home / "mine" / "exercises", "ch02/hello")
    assert "hour" not in toolkit("start", "mine").output


def test_paths_to_type_are_quoted(home: Path) -> None:
    assert re.search("""First: cd ['"]my course['"]\n""", toolkit("start", "my course").output)
    assert re.search("""Next: cd ['"]my course['"] && toolkit start""", toolkit("init", "my course").output)


@pytest.mark.parametrize("own", [b"{}", b"\xff\xfe{"])
def test_start_vscode_keeps_tasks_of_yours(home: Path, own: bytes) -> None:
    tasks = home / "mine" / ".vscode" / "tasks.json"
    tasks.parent.mkdir(parents=True)
    tasks.write_bytes(own)
    result = toolkit("start", "mine", "--vscode")
    assert "kept as tasks.json.backup" in result.output
    assert (tasks.parent / "tasks.json.backup").read_bytes() == own
    document = json.loads(tasks.read_text())
    assert {task["label"] for task in document["tasks"]} == {
        "toolkit: check this exercise",
        "toolkit: hint for this exercise",
        "toolkit: run this program",
    }


@pytest.mark.parametrize(
    ("line", "groups"),
    [
        ("mmap.asm:3:5: error: no such instruction", ("mmap.asm", "3", "5", "error", "no such instruction")),
        ("      where:    mmap.asm:12", None),
    ],
)
def test_the_problem_matcher_reads_our_diagnostics(line: str, groups: tuple[str | None, ...] | None) -> None:
    from toolkit.cli.vscode import DIAGNOSTIC

    match = re.match(str(DIAGNOSTIC["regexp"]), line)
    assert (match.groups() if match else None) == groups


def problems(output: str) -> list[tuple[str, str, str]]:
    """(file, line, message) of each problem that an editor finds in the output: consecutive lines, each with a message."""
    from toolkit.cli.vscode import tasks

    found = []
    lines = output.splitlines()
    for matcher in tasks()["tasks"][0]["problemMatcher"]:
        patterns = matcher["pattern"] if isinstance(matcher["pattern"], list) else [matcher["pattern"]]
        for start in range(len(lines)):
            fields: dict[str, str] = {}
            for pattern, line in zip(patterns, lines[start:], strict=False):
                match = re.search(pattern["regexp"], line)
                if match is None:
                    break
                fields |= {name: match[pattern[name]] for name in pattern if name != "regexp"}
            else:
                if fields.get("message") and "line" in fields:
                    found.append((fields["file"], fields["line"], fields["message"]))
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("_start:\n mov rdi 1\n", [("3", "a comma is missing")]),
        (
            "count: mov [rax], 5\n_start: mov rax, countr\n",
            [("2", "`mov' needs to know"), ("3", "the symbol `countr' is not")],
        ),
        (SOLUTION.replace("xor edi, edi", "mov edi, 7"), [("13", "the program ends otherwise")]),
        ("_start:\n hlt\n", [("3", "standard output differs")]),
    ],
)
def test_an_editor_shows_what_is_wrong_where_it_is(
    tmp_path: Path, source: str, expected: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exercise(tmp_path / "exercises" / "ch09" / "word", PRINTS, source.removeprefix("global _start\n"))
    own = tmp_path / "exercises" / "ch09" / "word" / "word.asm"
    own.write_text("global _start\n" + own.read_text())
    monkeypatch.chdir(tmp_path)
    found = problems(toolkit("check", "word").output)
    assert [(file, line) for file, line, _ in found] == [("word.asm", line) for line, _ in expected]
    assert all(text in message for (*_, message), (_, text) in zip(found, expected, strict=True))


def test_long_lines_of_code_are_left_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    from rich.console import Console

    from toolkit.cli.loop import print_markdown
    from toolkit.grading import pretty

    screen = io.StringIO()
    narrow = Console(file=screen, force_terminal=True, width=40, color_system=None)
    monkeypatch.setattr(pretty, "terminal_console", lambda stream: narrow)
    long = "_start: mov eax, 60     ; a comment that is longer than forty columns"
    print_markdown(f"# Title\n\n```nasm\n{long}\n    syscall\n```\n\nMore *words*.\n\n```\nlast\n```\n")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    assert f"\n\n  {long}\n      syscall\n\nMore words." in plain
    assert plain.rstrip().endswith("\n\n  last")


def test_list_and_progress(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toolkit("init", ".")
    passed(home / "exercises", "ch02/hello")
    assert toolkit("list").output == "* ch02/hello  The hello exercise\n  ch04/mmap   The mmap exercise\n"
    assert toolkit("list", "ch04").output == "  ch04/mmap  The mmap exercise\n"
    lines = toolkit("progress").output.splitlines()
    assert lines == [
        "ch02     [####################]  1/1",
        "ch04     [                    ]  0/1",
        "1 of 2 exercises passed.",
        "Next: toolkit show ch04/mmap",
    ]


def test_show_in_the_language_asked_for(home: Path) -> None:
    toolkit("init", ".")
    folder = home / "exercises" / "ch04" / "mmap"
    (folder / "README.ru.md").write_text("# Отображение\n", encoding="utf-8")
    assert toolkit("show", "mmap").output.startswith("# The mmap exercise")
    assert toolkit("show", "mmap", "--lang", "ru").output.startswith("# Отображение")
    french = toolkit("show", "mmap", "--lang", "fr").output
    assert french.startswith("toolkit: mmap is not written in 'fr'")
    assert "# The mmap exercise" in french


def test_show_a_chapter(home: Path) -> None:
    toolkit("init", ".")
    (home / "exercises" / "ch04" / "README.md").write_text("# Chapter 4: memory\n", encoding="utf-8")
    assert toolkit("show", "ch04").output.startswith("# Chapter 4: memory\n")
    assert "ch04     [                    ]  0/1   memory" in toolkit("progress").output


def test_show_and_hint_without_a_name_mean_the_next_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toolkit("init", ".")
    assert toolkit("show").output.startswith("# The hello exercise")
    passed(home / "exercises", "ch02/hello")
    assert toolkit("show").output.startswith("# The mmap exercise")
    monkeypatch.chdir(home / "exercises" / "ch02" / "hello")
    assert toolkit("show").output.startswith("# The hello exercise")
    assert "Hint 1 of 3" in toolkit("hint").output
    monkeypatch.chdir(home)
    passed(home / "exercises", "ch04/mmap")
    assert "name the one you mean" in toolkit("hint").output


def test_progress_that_cannot_be_kept_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toolkit("init", ".")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    result = toolkit("hint", "mmap")
    assert result.exit_code == 0
    assert "Hint 1 of 3" in result.output
    assert "your progress is not kept" in result.output
    assert "toolkit start DIRECTORY" in result.output


def test_hints_come_one_by_one_and_end_kindly(home: Path) -> None:
    toolkit("init", ".")
    texts = [toolkit("hint", "mmap").output for _ in range(4)]
    assert [text.splitlines()[0] for text in texts[:3]] == [
        "## Hint 1 of 3: Vague",
        "## Hint 2 of 3: Clearer",
        "## Hint 3 of 3: Almost",
    ]
    assert "the last of 3 hints" in texts[3]
    assert "Hint 1 of 3" in toolkit("hint", "mmap", "--again").output
    everything = toolkit("hint", "mmap", "--all").output
    assert everything.count("## Hint") == 3
    assert "first\n\n## Hint 2 of 3" in everything


def test_nothing_is_kept_beside_the_course_in_the_package(
    package: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(package.parent)
    monkeypatch.setattr(exercise, "find_course", lambda start: package)
    monkeypatch.setattr(exercise, "packaged_course", lambda: package)
    before = sorted(package.parent.rglob("*"))
    result = toolkit("hint", "mmap")
    assert "Hint 1 of 3" in result.output
    assert "`toolkit start DIRECTORY` makes a course of your own" in result.output
    toolkit("check", "mmap")
    assert sorted(package.parent.rglob("*")) == before


def test_reset_keeps_a_backup_each_time(home: Path) -> None:
    toolkit("init", ".")
    own = home / "exercises" / "ch04" / "mmap" / "mmap.asm"
    assert "is the starter already" in toolkit("reset", "mmap").output
    for number, backup in ((1, "mmap.asm.backup"), (2, "mmap.asm.backup.2")):
        own.write_text(f"work {number}")
        assert f"kept as {backup}" in toolkit("reset", "mmap").output
        assert own.read_text() == "; starter of mmap\n"
        assert (own.parent / backup).read_text() == f"work {number}"


def test_reset_where_no_starter_is_known(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(package)
    result = toolkit("reset", "mmap")
    assert result.exit_code == 2
    assert "the starter of ch04/mmap is not known" in result.output


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_reset_in_a_checkout_takes_the_last_commit(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(package)
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "The course"]):
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], check=True, cwd=package
        )
    own = package / "ch04" / "mmap" / "mmap.asm"
    starter = own.read_bytes()
    own.write_text("my work")
    assert "kept as mmap.asm.backup" in toolkit("reset", "mmap").output
    assert own.read_bytes() == starter
    assert (own.parent / "mmap.asm.backup").read_text() == "my work"


def test_solution_after_passing(home: Path) -> None:
    toolkit("init", ".")
    refused = toolkit("solution", "mmap")
    assert refused.exit_code == 2
    assert "not passed yet" in refused.output
    passed(home / "exercises", "ch04/mmap")
    assert "; solved" in toolkit("solution", "mmap").output
    assert "; solved" in toolkit("solution", "hello", "--anyway").output


@pytest.mark.parametrize("command", ["show", "hint", "reset", "solution", "check", "verify", "list"])
def test_misspelt_exercises(home: Path, command: str) -> None:
    toolkit("init", ".")
    result = toolkit(command, "mmpa")
    assert result.exit_code == 2
    assert "did you mean mmap" in result.output


DAMAGE = {
    "half-written": ('{"version": 1, "exer', "is damaged; it is kept as .toolkit-progress.json.backup"),
    "another shape": ("[1]", "is damaged"),
    "newer": ('{"version": 99, "exercises": {}}', "is of a newer toolkit; it is left as it is"),
    "newer, of another shape": (
        '{"version": 2, "chapters": []}',
        "is of a newer toolkit; it is left as it is",
    ),
    "no version": ('{"exercises": {}}', "is damaged; it is kept as .toolkit-progress.json.backup"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_progress_file_that_cannot_be_used(home: Path, case: str) -> None:
    text, message = DAMAGE[case]
    toolkit("init", ".")
    (home / FILE_NAME).write_text(text)
    result = toolkit("hint", "mmap")
    assert result.exit_code == 0
    assert message in result.output
    assert "Hint 1 of 3" in result.output
    kept = home / FILE_NAME if case.startswith("newer") else home / f"{FILE_NAME}.backup"
    assert kept.read_text() == text
    if not case.startswith("newer"):
        (home / FILE_NAME).write_text("again")
        assert f"{FILE_NAME}.backup.2" in toolkit("progress").output
        assert kept.read_text() == text


def test_new_makes_a_whole_exercise(home: Path) -> None:
    toolkit("init", ".")
    result = toolkit("new", "ch04/mine", "--title", "Mine")
    assert result.exit_code == 0
    found = exercise.Exercise(home / "exercises" / "ch04" / "mine")
    assert found.title == "Mine"
    assert len(found.mutants()) == 4
    assert [check.title for check in found.grader.checks] == ["ends with status 0"]
    assert toolkit("new", "ch04/mine").exit_code == 2
    assert toolkit("new", "Bad Name").exit_code == 2


def test_no_course_anywhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exercise, "installed_course", lambda: None)
    result = toolkit("list")
    assert result.exit_code == 2
    assert "toolkit init" in result.output
