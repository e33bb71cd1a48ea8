"""Each hostile program as one submission: its verdict, its cost, and that it reached nothing outside."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.corpus import CODE, CORPUS, HUGE_LINE, OUTPUT, WAITING, Hostile, random_code
from toolkit.classroom.jobs import GradeJob
from toolkit.classroom.packing import PackedExercise
from toolkit.grading.evidence import BuildRequest, Evidence, FileData, RunRequest
from toolkit.grading.exercise import Submission, SubmissionError, check_length, check_text
from toolkit.grading.report import ExerciseResult, Status
from toolkit.grading.sandbox import WorkerSandbox

SECRET = "nobody-hands-this-in"
GRADER = f'''from toolkit.grading import check
# {SECRET}
@check("prints ok", points=1)
def prints(program):
    """It must print ok."""
    run = program.run()
    run.expect.exit(0)
    run.expect.stdout(b"ok\\n")
'''
EXERCISE = PackedExercise(Path("t/prog"), "prog", GRADER, ("prog.asm",))
LONGEST = 45.0  # seconds of wall clock for one kind, on a machine that has other work too
LARGEST_REPORT = 200_000  # characters of a result as JSON
LARGEST_WORKER = (
    300 << 20
)  # bytes of memory that its worker ever had: one program's 128 MiB, and what grading takes
QUICK = {*WAITING, *OUTPUT, *CODE} - {"sleeping for a year"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[WorkerSandbox]:
    with WorkerSandbox() as worker:
        yield worker


def grade(sandbox: WorkerSandbox, source: bytes) -> ExerciseResult:
    return GradeJob(EXERCISE, Submission((FileData("prog.asm", source),))).grade(sandbox)


def everything_said(result: ExerciseResult) -> str:
    checks = [f"{each.full_message}\n{each.actual}" for each in result.checks if each.status is Status.FAILED]
    return "\n".join([*checks, *(each.text for each in result.diagnostics)])


def most_memory(sandbox: WorkerSandbox) -> int:
    """Bytes that the worker ever had in memory; 0 where it was replaced, or the host doesn't say."""
    if sandbox._worker is None or not Path("/proc/self/status").exists():
        return 0
    status = Path(f"/proc/{sandbox._worker._process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) << 10 if found else 0


def state_of(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_nlink, content)
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder beside everything, and the test's own directory: both must be as they were."""
    (tmp_path / "grader.py").write_text(GRADER)
    (tmp_path / "passwd").write_text("root:secret")
    home = Path.cwd()
    os.chdir(tmp_path)
    before = state_of(tmp_path)
    yield tmp_path
    os.chdir(home)
    assert state_of(tmp_path) == before


def expect_harmless(result: ExerciseResult, hostile: Hostile, seconds: float) -> None:
    assert result.status is Status.FAILED, everything_said(result)
    said = everything_said(result)
    assert re.search(hostile.verdict, said), said[:2000]
    document = json.dumps(result.as_json(), ensure_ascii=False)
    assert len(document) < LARGEST_REPORT
    assert SECRET not in document
    assert "root:" not in document
    assert os.environ.get("HOME", "/home") not in document
    assert "\x1b" not in document
    assert seconds < LONGEST


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in CORPUS]
)
def test_a_hostile_program(sandbox: WorkerSandbox, outside: Path, kind: str) -> None:
    hostile = CORPUS[kind]
    began = time.monotonic()
    try:
        check_text("prog.asm", check_length("prog.asm", hostile.source))
    except SubmissionError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert 0 < len(refused) < 500
        return
    expect_harmless(grade(sandbox, hostile.source), hostile, time.monotonic() - began)
    assert most_memory(sandbox) < LARGEST_WORKER


def test_the_next_one_is_graded_as_ever(sandbox: WorkerSandbox) -> None:
    good = b"global _start\n_start: mov eax, 1\n mov edi, 1\n mov rsi, t\n mov edx, 3\n syscall\n mov eax, 60\n xor edi, edi\n syscall\nt: db 'ok', 10\n"
    assert grade(sandbox, good).status is Status.PASSED


def test_a_line_of_a_hundred_megabytes_is_refused_unread() -> None:
    with pytest.raises(SubmissionError, match="100,000,005 bytes long; a source may have 262,144"):
        check_length("prog.asm", HUGE_LINE.source)


def run_random(sandbox: WorkerSandbox, seeds: range) -> None:
    for seed in seeds:
        build = BuildRequest("prog", (FileData("prog.asm", random_code(seed)),))
        answer = sandbox.run(RunRequest(build, budget=100_000))
        assert isinstance(answer, Evidence), (seed, answer)
        assert (answer.exit_code, answer.signal, answer.cut_short) != (None, None, ""), seed


def test_random_bytes_as_code(sandbox: WorkerSandbox) -> None:
    run_random(sandbox, range(300))


@pytest.mark.slow
@pytest.mark.long
def test_a_hundred_thousand_random_bytes_as_code(sandbox: WorkerSandbox) -> None:
    """In programs of 64 bytes: the first instructions of each are executed."""
    run_random(sandbox, range(1000, 1000 + 100_000 // 64))


def test_a_worker_that_has_grown_is_replaced() -> None:
    with WorkerSandbox() as worker:
        hungry = b"global _start\n_start: mov rcx, 60000\n sub rsp, 0x1000\n mov eax, 9\n xor edi, edi\n mov rsi, 0x20000000\n mov edx, 3\n mov r10d, 0x4022\n mov r8, -1\n xor r9d, r9d\n syscall\n.a: mov [rax], al\n add rax, 4096\n jmp .a\n"
        for _ in range(3):
            assert grade(worker, hungry).status is Status.FAILED
        build = BuildRequest("p", (FileData("p.asm", random_code(1)),))
        assert isinstance(worker.run(RunRequest(build)), Evidence)
        if Path("/proc/self/statm").exists():
            assert worker._worker is not None
            pages = int(Path(f"/proc/{worker._worker._process.pid}/statm").read_text().split()[1])
            assert pages << 12 < 250 << 20
