"""The command line: names, exit statuses, messages. Each row is one whole process unless it says otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.cli import COMMANDS

HELLO = """\
global _start
section .data
message: db "hello", 10
section .text
_start:
    mov eax, 1
    mov edi, 1
    mov rsi, message
    mov edx, 6
    syscall
    mov eax, 60
    mov edi, 3
    syscall
"""
CRASH = """\
global _start
section .text
_start:
    mov rbx, 0x400000
    mov al, [rbx-1]
"""
COPY = """\
global _start
section .bss
buffer: resb 4096
section .text
_start:
    xor eax, eax
    xor edi, edi
    mov rsi, buffer
    mov edx, 4096
    syscall
    mov rdx, rax
    mov eax, 1
    mov edi, 1
    syscall
    mov eax, 60
    xor edi, edi
    syscall
"""


ROOT = Path(__file__).parents[1]


def toolkit(
    *arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TOOLKIT_DEBUG")}
    return subprocess.run(
        [sys.executable, "-m", "toolkit", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        timeout=60,
        env=variables | {"PYTHONPATH": str(ROOT)} | environment,
    )


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello.asm"
    path.write_text(HELLO)
    return path


def test_help_names_every_command() -> None:
    result = toolkit("--help")
    assert result.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in result.stdout.decode()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    """In this process: what counts is the text."""
    from click.testing import CliRunner

    from toolkit.cli import cli

    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Example" in result.output


def test_version_and_misspelt_commands() -> None:
    assert toolkit("--version").stdout.startswith(b"toolkit")
    result = toolkit("chekc")
    assert result.returncode == 2
    assert b"did you mean check?" in result.stderr


def test_build_writes_an_executable(tmp_path: Path, hello: Path) -> None:
    result = toolkit("build", hello)
    assert (result.returncode, result.stderr) == (0, b"")
    program = tmp_path / "hello"
    assert program.read_bytes().startswith(b"\x7fELF")
    assert os.access(program, os.X_OK)


def test_build_an_object_and_several_files(tmp_path: Path) -> None:
    (tmp_path / "main.asm").write_text(
        "extern answer\nglobal _start\nsection .text\n_start: mov edi, [answer]\nmov eax, 60\nsyscall\n"
    )
    (tmp_path / "data.asm").write_text("global answer\nsection .data\nanswer: dd 42\n")
    assert toolkit("build", "-c", "data.asm", cwd=tmp_path).returncode == 0
    assert (tmp_path / "data.o").read_bytes()[16] == 1  # ET_REL
    assert toolkit("build", "main.asm", "data.asm", "-o", "both", cwd=tmp_path).returncode == 0
    assert toolkit("run", "both", cwd=tmp_path).returncode == 42


def test_build_reports_every_error_of_every_file(tmp_path: Path, hello: Path) -> None:
    bad = tmp_path / "bad.asm"
    bad.write_text("movv rax, 1\nadd rax, rbx, rcx\n")
    result = toolkit("build", hello, bad, cwd=tmp_path)
    assert result.returncode == 1
    text = result.stderr.decode()
    assert "bad.asm:1:1: error:" in text
    assert "bad.asm:2:" in text
    assert "^" in text
    assert not (tmp_path / "hello").exists()
    machine = toolkit("build", bad, "--messages", "json", cwd=tmp_path)
    assert [each["location"]["line"] for each in json.loads(machine.stdout)] == [1, 2]


def test_run_passes_streams_and_status_through(tmp_path: Path, hello: Path) -> None:
    result = toolkit("run", hello)
    assert (result.returncode, result.stdout, result.stderr) == (3, b"hello\n", b"")
    copy = tmp_path / "copy.asm"
    copy.write_text(COPY)
    result = toolkit("run", copy, stdin=b"in\0put\xff\n")
    assert (result.returncode, result.stdout) == (0, b"in\0put\xff\n")


def test_a_killed_program_is_139_and_explained_on_stderr(tmp_path: Path) -> None:
    path = tmp_path / "crash.asm"
    path.write_text(CRASH)
    result = toolkit("run", path, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (139, b"")
    text = result.stderr.decode()
    assert text.startswith("Segmentation fault")
    assert "crash.asm:5" in text
    assert "mov al, [rbx-1]" in text
    assert "0x3fffff = rbx (0x400000) - 0x1" in text
    quiet = toolkit("run", "--no-explain", path, cwd=tmp_path)
    assert (quiet.returncode, quiet.stderr) == (139, b"Segmentation fault\n")  # as the shell, and no more


def test_arguments_behind_the_file_are_the_programs(tmp_path: Path) -> None:
    path = tmp_path / "arguments.asm"
    path.write_text("global _start\nsection .text\n_start: mov rdi, [rsp]\nmov eax, 60\nsyscall\n")
    assert toolkit("run", path, "--help", "-x", "a b").returncode == 4


def test_argv_0_and_files(tmp_path: Path) -> None:
    path = tmp_path / "first.asm"
    path.write_text(
        COPY.replace(
            "xor eax, eax\n    xor edi, edi",
            "mov rsi, [rsp+8]\n    mov edx, 7\n    mov eax, 1\n    mov edi, 1\n    syscall\n    xor eax, eax\n    xor edi, edi",
        )
    )
    assert toolkit("run", "first.asm", cwd=tmp_path).stdout == b"./first"


BAD_FILES: dict[str, tuple[bytes | None, int, str]] = {
    "missing": (None, 2, "missing"),
    "empty": (b"", 2, "is empty"),
    "binary": (b"\x7fELF" + bytes(100), 2, "already assembled"),
    "zero bytes": (b"mov eax, 1\0", 2, "not a text file"),
    "long line": (b"db " + b"1," * 5_000_000 + b"1\n", 1, "the limit is"),
    "no _start": (b"section .text\nmain: ret\n", 1, "_start"),
    "unknown instruction": (b"global _start\n_start: movv rax, 1\n", 1, "bad.asm:2:9: error:"),
    "missing include": (b'%include "/etc/passwd"\nglobal _start\n_start: nop\n', 1, "/etc/passwd"),
}


@pytest.mark.parametrize("command", ["build", "run"])
@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_have_a_message_and_a_status(tmp_path: Path, command: str, case: str) -> None:
    data, status, message = BAD_FILES[case]
    path = tmp_path / "bad.asm"
    if data is not None:
        path.write_bytes(data)
    result = toolkit(command, "bad.asm", cwd=tmp_path)
    text = result.stderr.decode()
    assert result.returncode == status, text
    assert message in text
    assert "Traceback" not in text
    assert len(text) < 2_000


def test_a_directory_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "dir.asm").mkdir()
    for command in ("build", "run"):
        result = toolkit(command, "dir.asm", cwd=tmp_path)
        assert result.returncode == 2
        assert b"is a directory" in result.stderr


def test_an_output_that_cannot_be_written(tmp_path: Path, hello: Path) -> None:
    result = toolkit("build", hello, "-o", tmp_path / "no" / "such" / "folder")
    assert result.returncode == 2
    assert b"can't be written" in result.stderr


def test_a_closed_pipe_ends_quietly(hello: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "toolkit", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert process.stderr == b""
