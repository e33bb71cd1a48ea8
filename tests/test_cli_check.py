"""``toolkit check`` and ``verify`` end to end: statuses, formats, bad submissions, watching, and pytest as a grader."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked import toolkit
from tests.grading.fakes import save, write_exercise
from toolkit.grading.exercise import Course
from toolkit.grading.pretty import exercise_lines, summary_lines
from toolkit.grading.runner import Choice, grade
from toolkit.grading.sandbox import WorkerSandbox

GRADER = """
from toolkit.grading import check

@check("prints a word", points=2)
def prints(program):
    '''The word is x.'''
    program.run().expect.stdout(b"x")

@check("ends with status 0", points=1, depends_on=prints)
def ends(program):
    program.run().expect.exit(0)
"""
SOLUTION = """\
global _start
section .data
letter: db "x"
section .text
_start:
    mov eax, 1
    mov edi, 1
    mov rsi, letter
    mov edx, 1
    syscall
    mov eax, 60
    xor edi, edi
    syscall
"""
STARTER = "global _start\nsection .text\n_start:\n    mov eax, 60\n    xor edi, edi\n    syscall\n"
MUTANTS = {
    "mutants__nothing_dot_asm": "; caught by: prints a word\n"
    + SOLUTION.replace("mov edx, 1", "xor edx, edx"),
    "mutants__status_dot_asm": "; caught by: ends with status 0\n"
    + SOLUTION.replace("xor edi, edi", "mov edi, 9"),
    "mutants__other_dot_asm": "; caught by: prints a word\n" + SOLUTION.replace('"x"', '"y"'),
    "mutants__stderr_dot_asm": "; caught by: prints a word\n" + SOLUTION.replace("mov edi, 1", "mov edi, 2"),
}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A folder with one chapter of two exercises."""
    for name in ("word", "other"):
        write_exercise(
            tmp_path / "exercises" / "ch09" / name,
            GRADER,
            STARTER,
            hints_dot_md="## a\n## b\n## c\n",
            **{f"reference__{name}_dot_asm": SOLUTION},
            **MUTANTS,
        )
    return tmp_path


def test_starters_fail_and_references_pass(course: Path) -> None:
    starters = toolkit("check", "ch09", cwd=course)
    text = starters.stdout.decode()
    assert starters.returncode == 1
    assert "✗ prints a word  0/2" in text
    assert 'expected: "x"' in text
    assert "help:     The word is x." in text
    assert "- ends with status 0 (skipped: needs “prints a word” to pass first)  0/1" in text
    assert "\x1b" not in text
    references = toolkit("check", "ch09", "--reference", cwd=course)
    assert references.returncode == 0
    assert "2 of 2 exercises passed; 6 of 6 points" in references.stdout.decode()


def test_what_was_passed_is_remembered(course: Path) -> None:
    (course / "exercises" / "ch09" / "word" / "word.asm").write_text(SOLUTION)
    assert toolkit("check", cwd=course).returncode == 1
    assert toolkit("list", cwd=course).stdout.decode().splitlines()[1].startswith("* ch09/word")


def test_json_is_the_same_each_time_and_on_other_jobs(course: Path) -> None:
    first, second = (toolkit("check", "--format", "json", cwd=course) for _ in range(2))
    several = toolkit("check", "--format", "json", "--jobs", "2", cwd=course)
    assert first.stdout == second.stdout == several.stdout
    document = json.loads(first.stdout)
    assert document["exercises"][0]["status"] == "failed"
    assert str(course).encode() not in first.stdout


SECRETIVE = GRADER.replace("points=1, depends_on=prints", 'points=1, visibility="hidden"')
SHOWN: dict[str, tuple[list[str], int, list[str], list[str]]] = {
    "hidden by default": ([], 0, ["2 of 2 points"], ["ends with", "status"]),
    "shown when asked": (["--show", "visible", "--show", "hidden"], 1, ["2 of 3 points", "expected: "], []),
    "only the hidden": (["--show", "hidden"], 1, ["0 of 1 points"], ["prints a word"]),
    "without what was expected": (["--show", "hidden", "--disclosure", "actual-only"], 1, ["actual: "], ["expected: "]),
    "the kind alone": (["--show", "hidden", "--disclosure", "category"], 1, ["ends otherwise"], ["actual: "]),
    "nothing": (["--show", "hidden", "--disclosure", "none"], 1, ["✗ ends with status 0"], ["otherwise"]),
    "JUnit": (["--format", "junit"], 0, ["prints a word"], ["ends with status"]),
    "Gradescope hides for itself": (["--format", "gradescope"], 1, ["ends with status", '"visibility": "hidden"'], []),
    "Gradescope, told less": (["--format", "gradescope", "--show", "visible"], 0, ["prints a word"], ["ends with"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SHOWN)
def test_what_a_reader_is_shown(course: Path, case: str) -> None:
    """The program passes what is visible and fails what is hidden."""
    (course / "exercises/ch09/word/grader.py").write_text(SECRETIVE)
    (course / "exercises/ch09/word/word.asm").write_text(SOLUTION.replace("xor edi, edi", "mov edi, 9"))
    options, status, present, absent = SHOWN[case]
    done = toolkit("check", "word", *options, cwd=course)
    text = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == status, text
    for words in present:
        assert words in text
    for words in absent:
        assert words not in text


def test_output_goes_to_a_file(course: Path) -> None:
    result = toolkit("check", "--format", "junit", "--output", "r.xml", cwd=course)
    assert (result.returncode, result.stdout) == (1, b"")
    assert (course / "r.xml").read_text().startswith("<?xml")


SUBMISSIONS: dict[str, tuple[bytes | None, int, str]] = {
    "right": (SOLUTION.encode(), 0, "3 of 3 points"),
    "Windows line ends": (SOLUTION.replace("\n", "\r\n").encode(), 0, "3 of 3 points"),
    "a byte order mark": (b"\xef\xbb\xbf" + SOLUTION.encode(), 2, "save it without"),
    "Cyrillic comments": (("; печать\n" + SOLUTION).encode(), 0, "3 of 3 points"),
    "the starter": (STARTER.encode(), 1, "0 of 3 points"),
    "errors": (b"_start: movv rax, 1\n", 1, "word.asm:1:9: error:"),
    "no _start": (b"section .text\nmain: ret\n", 1, "_start"),
    "empty": (b"", 2, "handed in.asm is empty"),
    "binary": (b"\x7fELF\x02" + bytes(90), 2, "already assembled"),
    "a 10 MB line": (b"db " + b"1," * 5_000_000 + b"1\n", 2, "10,000,005 bytes long"),
    "missing": (None, 2, "does not exist"),
    "for ever": (b"global _start\nsection .text\n_start: jmp _start\n", 1, "prints a word"),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[WorkerSandbox]:
    with WorkerSandbox() as worker:
        yield worker


@pytest.mark.parametrize("case", SUBMISSIONS)
def test_submissions(course: Path, sandbox: WorkerSandbox, case: str) -> None:
    """As the command grades and prints them, but in one process."""
    data, status, message = SUBMISSIONS[case]
    path = course / "handed in.asm"
    if data is not None:
        path.write_bytes(data)
    began = time.monotonic()
    report = grade(Course(course / "exercises").select(["word"]), Choice(submission=path), sandbox)
    lines = [line for result in report.exercises for line, _ in exercise_lines(result)]
    text = "\n".join([*lines, *(line for line, _ in summary_lines(report))])
    assert report.exit_status == status, text
    assert message in text
    assert len(text) < 5_000
    assert time.monotonic() - began < 40


def test_a_folder_of_submissions(course: Path) -> None:
    (course / "inbox" / "word").mkdir(parents=True)
    (course / "inbox" / "word" / "word.asm").write_text(SOLUTION)
    assert toolkit("check", "word", "--submission", "inbox", cwd=course).returncode == 0
    both = toolkit("check", "--submission", "inbox", cwd=course)
    assert both.returncode == 2
    assert b"inbox holds no other.asm" in both.stdout


def test_the_sum_counts_the_checks_that_are_shown(course: Path) -> None:
    result = toolkit("check", "word", cwd=course)
    assert b"checks: 1 failed, 1 skipped" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "wrod"], b"did you mean word"),
        (["check", "--submission", "x.asm"], b"does not exist"),
        (["check", "-k", "nothing"], b"no exercise matches"),
        (["check", "--format", "xml"], b"'xml' is not one of"),
        (["check", "--output", "no/such/folder/x", "word"], b"can't be written"),
    ],
)
def test_wrong_usage(course: Path, arguments: list[str], message: bytes) -> None:
    result = toolkit(*arguments, cwd=course)
    assert result.returncode == 2
    assert message in result.stderr


def test_our_own_fault_is_3(course: Path) -> None:
    grader = course / "exercises" / "ch09" / "word" / "grader.py"
    grader.write_text(grader.read_text() + "    1 / 0\n")
    result = toolkit("check", "word", "--reference", cwd=course)
    assert result.returncode == 3
    assert b"broken, not your fault: the grader raised ZeroDivisionError" in result.stdout


def test_verify(course: Path) -> None:
    good = toolkit("verify", cwd=course)
    assert (good.returncode, good.stdout.decode().splitlines()[-1]) == (
        0,
        "14 statements proven, 0 do not hold, 0 broken",
    )
    (course / "exercises" / "ch09" / "word" / "mutants" / "other.asm").write_text(
        "; caught by: prints a word\n" + SOLUTION
    )
    bad = toolkit("verify", "word", cwd=course)
    assert bad.returncode == 1
    assert "not so: mutant other is rejected: “prints a word” passed" in bad.stdout.decode()


def test_survivors_of_the_automatic_mutants_need_reasons(course: Path) -> None:
    grader = course / "exercises" / "ch09" / "word" / "grader.py"
    grader.write_text(grader.read_text().replace('stdout(b"x")', 'stdout(contains=b"x")'))
    reasons = grader.with_name("survivors.md")
    missing = toolkit("verify", "word", "--mutate", cwd=course)
    text = missing.stdout.decode()
    assert missing.returncode == 1
    assert "line 9 (constant)" in text
    reason = next(line.strip() for line in text.splitlines() if "- `mov edx, 1` → `mov edx, 2`" in line)
    reasons.write_text(f"{reason}.\n- `mov edx, 1` → `mov edx, 9`: no such mutant.\n", encoding="utf-8")
    stale = toolkit("verify", "word", "--mutate", cwd=course)
    assert stale.returncode == 1
    assert "a reason in survivors.md is stale" in stale.stdout.decode()
    assert "- `mov edx, 1` → `mov edx, 9`" in stale.stdout.decode()
    reasons.write_text(f"{reason}.\n", encoding="utf-8")
    good = toolkit("verify", "word", "other", "--mutate", "--jobs", "2", cwd=course)
    assert good.returncode == 0, good.stdout.decode()
    assert " mutants rejected; " in good.stdout.decode().splitlines()[-2]
    assert "survivors with a reason: 1" in good.stdout.decode()
    all_of_it = toolkit("verify", "word", "--mutate", "--verbose", cwd=course).stdout.decode()
    assert "did the same as the reference in every run of the checks:" in all_of_it


def test_pytest_grades_too(course: Path) -> None:
    def grade(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "exercises", *options],
            cwd=course,
            capture_output=True,
            text=True,
            timeout=60,
        )

    starters = grade()
    assert starters.returncode == 1
    assert "2 failed, 2 passed, 2 skipped" in starters.stdout
    assert 'expected: "x"' in starters.stdout
    (course / "exercises/ch09/word/grader.py").write_text(SECRETIVE)
    references = grade("--reference")
    assert references.returncode == 0
    assert "5 passed" in references.stdout


def test_watching_without_a_terminal(course: Path) -> None:
    source = course / "exercises" / "ch09" / "word" / "word.asm"
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "toolkit", "check", "word", "--watch"],
        cwd=course,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert read_until(process, "of 1 passed") == "0 of 1 passed"
        save(source, SOLUTION)
        assert read_until(process, "of 1 passed") == "1 of 1 passed"
    finally:
        process.kill()
        process.wait()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line.strip()
    raise AssertionError("the output ended")
