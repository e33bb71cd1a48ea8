"""Programs that misbehave, through the command line: what is said, the exit status, bounded time and memory."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.forked import toolkit
from tests.test_cli import ROOT
from tests.test_cli_check import GRADER, SOLUTION

HEAD = "global _start\nsection .text\n"
FOR_EVER = HEAD + "_start: jmp _start\n"
PRINTS_FOR_EVER = (
    "global _start\nsection .data\ntext: times 4096 db 'x'\nsection .text\n"
    "_start: mov eax, 1\n mov edi, 1\n mov rsi, text\n mov edx, 4096\n syscall\n jmp _start\n"
)
MAPS_A_TEBIBYTE = (
    HEAD
    + "_start: mov eax, 9\n xor edi, edi\n mov rsi, 1 << 40\n mov edx, 3\n mov r10d, 0x4022\n mov r8, -1\n"
    " xor r9d, r9d\n syscall\n cmp rax, -4096\n ja .no\n mov byte [rax], 1\n xor eax, eax\n.no: neg eax\n"
    " mov edi, eax\n mov eax, 60\n syscall\n"
)
JUMPS_TO_0 = HEAD + "_start: xor eax, eax\n jmp rax\n"

RUNS: dict[str, tuple[str, list[str], int, str]] = {
    "never ends": (FOR_EVER, ["--max-instructions", "1000000"], 124, "still running after 1,000,000"),
    "maps 1 TiB": (MAPS_A_TEBIBYTE, [], 0, ""),
    "maps 1 TiB of 16 MiB": (MAPS_A_TEBIBYTE, ["--memory", "16M", "--swap", "8M"], 0, ""),
    "jumps to 0": (JUMPS_TO_0, [], 139, "executing at address 0x0"),
    "no exit": (HEAD + "_start: nop\n", [], 139, "ran past its last instruction"),
    "aborts": (
        HEAD + "_start: mov eax, 39\n syscall\n mov edi, eax\n mov esi, 6\n mov eax, 62\n syscall\n",
        [],
        134,
        "Aborted",
    ),
    "divides by 0": (HEAD + "_start: xor ecx, ecx\n div ecx\n", [], 136, "the divisor is ecx = 0"),
}


@pytest.mark.parametrize("case", RUNS)
def test_run(tmp_path: Path, case: str) -> None:
    source, options, status, message = RUNS[case]
    (tmp_path / "p.asm").write_text(source)
    result = toolkit("run", *options, "p.asm", cwd=tmp_path)
    text = result.stderr.decode()
    assert result.returncode == status, text
    assert message in text
    assert "Traceback" not in text
    assert len(text) < 2_000


@pytest.mark.skipif(sys.platform == "win32", reason="closing a pipe is another error there")
def test_a_program_that_prints_for_ever_ends_with_its_reader(tmp_path: Path) -> None:
    (tmp_path / "p.asm").write_text(PRINTS_FOR_EVER)
    process = subprocess.Popen(
        [sys.executable, "-m", "toolkit", "run", "p.asm"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(100_000) == b"x" * 100_000
    process.stdout.close()
    assert process.wait(30) == 141  # 128 + SIGPIPE
    assert b"Traceback" not in process.stderr.read()


CHECKS: dict[str, tuple[bytes, int, str]] = {
    "never ends": (FOR_EVER.encode(), 1, "still running after 100,000,000 instructions"),
    "prints for ever": (PRINTS_FOR_EVER.encode(), 1, "the run was ended: "),
    "maps 1 TiB": (MAPS_A_TEBIBYTE.encode(), 1, "prints a word"),
    "jumps to 0": (JUMPS_TO_0.encode(), 1, "executing at address 0x0"),
    "tabs": (SOLUTION.replace("    ", "\t").encode(), 0, "3 of 3 points"),
    "Windows line ends": (SOLUTION.replace("\n", "\r\n").encode(), 0, "3 of 3 points"),
    "Cyrillic comments": (SOLUTION.replace("_start:\n", "_start: ; начало\n").encode(), 0, "3 of 3 points"),
    "Cyrillic in another encoding": (
        SOLUTION.replace("_start:\n", "_start: ; начало\n").encode("cp1251"),
        0,
        "3 of 3 points",
    ),
    "a byte order mark": (b"\xef\xbb\xbf" + SOLUTION.encode(), 2, "byte order mark"),
    "UTF-16": (SOLUTION.encode("utf-16"), 2, "save it as UTF-8"),
    "empty": (b"", 2, "is empty"),
    "a binary": (b"\x7fELF" + bytes(100), 2, "already assembled"),
    "a 10 MB line": (b"db " + b"1," * 5_000_000 + b"1\n", 2, "10,000,005 bytes long"),
    "no _start": (b"section .text\nmain: ret\n", 1, "_start"),
    "an unknown instruction": (b"global _start\n_start: movv rax, 1\n", 1, "word.asm:2:9: error:"),
    "something else": (b"Dear teacher,\nhere is my homework.\n", 1, "word.asm:1:"),
}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    from tests.grading.fakes import write_exercise

    write_exercise(tmp_path / "exercises" / "ch09" / "word", GRADER, SOLUTION, hints_dot_md="## a\n")
    return tmp_path


@pytest.mark.parametrize("case", CHECKS)
def test_check(course: Path, case: str) -> None:
    data, status, message = CHECKS[case]
    (course / "exercises" / "ch09" / "word" / "word.asm").write_bytes(data)
    began = time.monotonic()
    result = toolkit("check", "word", cwd=course)
    text = (result.stdout + result.stderr).decode()
    assert result.returncode == status, text
    assert message in text
    assert "Traceback" not in text
    assert len(text) < 5_000
    assert time.monotonic() - began < 50
