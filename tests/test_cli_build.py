"""``toolkit build``: what it makes of files, and of input that no assembler should be given."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.forked import toolkit

HELLO = """\
global _start
section .text
_start: mov eax, 60
        mov edi, [answer]
        syscall
extern answer
"""
ANSWER = "global answer\nsection .data\nanswer: dd 42\n"


def build(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    done = toolkit("build", *arguments, cwd=folder, COLUMNS="200")
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.asm").write_text(HELLO)
    (tmp_path / "answer.asm").write_text(ANSWER)
    return tmp_path


def test_sources_objects_and_archives(folder: Path) -> None:
    assert build("main.asm", "answer.asm", "-o", "one", folder=folder).returncode == 0
    assert build("-c", "answer.asm", folder=folder).returncode == 0
    assert build("main.asm", "answer.o", "-o", "two", folder=folder).returncode == 0
    assert build("-f", "obj", "main.asm", folder=folder).returncode == 0
    assert build("main.o", "answer.o", "-o", "three", folder=folder).returncode == 0
    programs = {(folder / name).read_bytes() for name in ("one", "two", "three")}
    assert len(programs) == 1
    if shutil.which("ar"):
        subprocess.run(["ar", "rc", "lib.a", "answer.o"], cwd=folder, check=True)
        assert build("main.asm", "lib.a", "-o", "four", folder=folder).returncode == 0
        assert (folder / "four").read_bytes() in programs


def test_formats_defines_includes_and_listing(folder: Path) -> None:
    (folder / "more").mkdir()
    (folder / "more" / "value.inc").write_text("db VALUE\n")
    (folder / "flat.asm").write_text('%include "value.inc"\n')
    options = ("-f", "bin", "-D", "VALUE=0x41", "-I", "more", "-l", "flat.lst")
    assert build(*options, "flat.asm", folder=folder).returncode == 0
    assert (folder / "flat").read_bytes() == b"A"
    assert "00000000 41" in (folder / "flat.lst").read_text()
    assert build("-f", "elf32", "-c", "answer.asm", folder=folder).returncode == 0
    assert (folder / "answer.o").read_bytes()[4] == 1  # ELFCLASS32
    assert build("-g", "-c", "main.asm", folder=folder).returncode == 0
    plain = (folder / "main.o").read_bytes()
    assert build("-F", "dwarf", "-c", "main.asm", folder=folder).returncode == 0
    assert (folder / "main.o").read_bytes() == plain
    assert b".debug_line" in (folder / "main.o").read_bytes()


def test_messages_in_three_forms(folder: Path) -> None:
    (folder / "bad.asm").write_text("global _start\n_start: mov al, 300\nsycall\nmovv rax, 1\n")
    text = build("bad.asm", folder=folder)
    assert text.returncode == 1
    assert "help:" in text.stderr
    nasm = build("--nasm-messages", "bad.asm", folder=folder)
    assert nasm.stderr.splitlines()[:2] == [
        "bad.asm:2: warning: byte data exceeds bounds [-w+number-overflow]",
        "bad.asm:3: warning: label alone on a line without a colon might be in error [-w+label-orphan]",
    ]
    machine = build("--format", "json", "bad.asm", folder=folder)
    assert [each["severity"] for each in json.loads(machine.stdout)] == ["warning", "warning", "error"]
    (folder / "bad.asm").write_text("global _start\n_start: mov al, 300\nsycall\n")
    assert build("bad.asm", folder=folder).returncode == 0
    assert build("--strict", "bad.asm", folder=folder).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("main.asm", "-o", "main.asm"), "would be overwritten"),
        (("-c", "main.asm", "answer.asm", "-o", "x"), "-o with several FILEs"),
        (("-c", "none.o"), "does not exist"),
        (("-f", "bin", "text.o"), "is no ELF object"),
        (("-D", "1x=3", "main.asm"), "write NAME or NAME=VALUE"),
        (("-f", "elfx32", "main.asm"), "elfx32"),
        (("main.asm", "-o", "no/such/folder"), "can't be written"),
        (("main.asm", "-l", "no/such/folder"), "can't be written"),
        ((), "Missing argument"),
    ],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    (folder / "text.o").write_text("mov eax, 1\n")
    result = build(
        *arguments, "answer.asm" if "no/such" in " ".join(arguments) else "--strict", folder=folder
    )
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert (folder / "main.asm").read_text() == HELLO


DEEP = 100_000
HOSTILE: dict[str, tuple[str, str]] = {
    "deep parentheses": ("dq " + "(" * DEEP + "1" + ")" * DEEP, "too many parts"),
    "deep brackets": ("mov rax, " + "[" * DEEP, "error"),
    "a repetition without end": ("%rep 1000000000000000000\nnop\n%endrep", "%rep"),
    "nested repetitions": (
        "%rep 60000\n%rep 60000\n%assign x 1\n%endrep\n%endrep",
        "repetitions made more than",
    ),
    "times without end": ("times 1<<40 db 1", "TIMES"),
    "times of something": ("times 1<<62 dq $", "TIMES"),
    "resb without end": ("resb 1<<62\nresb 1<<62", "larger than"),
    "a macro that calls itself": ("%rmacro m 1+\nm %1\n%endmacro\nm 1", "error"),
    "macros that double": (
        "%define a0 x\n" + "".join(f"%define a{n} a{n - 1} a{n - 1}\n" for n in range(1, 60)) + "db a59",
        "error",
    ),
    "an include loop": ('%include "bad.asm"', "bad.asm"),
    "an include above": ('%include "../../../../../../../../etc/passwd"', "passwd"),
    "an incbin outside": ('incbin "/etc/passwd"', "passwd"),
    "an incbin through a link": ('incbin "link"', "link"),
    "a device": ('incbin "/dev/zero"', "zero"),
    "an unknown instruction": ("movv rax, 1", "movv"),
    "AT&T": ("movq %rax, %rbx", "error"),
}


SLOW = ("nested repetitions",)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow, pytest.mark.long] if case in SLOW else [])
        for case in HOSTILE
    ],
)
def test_hostile_input_is_refused_in_time_and_by_name(folder: Path, case: str) -> None:
    text, message = HOSTILE[case]
    (folder / "bad.asm").write_text(f"global _start\n_start: nop\n{text}\n")
    (folder / "link").symlink_to("/etc/passwd")
    began = time.monotonic()
    result = build("bad.asm", folder=folder)
    assert time.monotonic() - began < 60
    assert result.returncode == 1, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert "root:" not in result.stderr
    assert not (folder / "bad").exists()


def test_a_line_of_100_megabytes(folder: Path) -> None:
    (folder / "long.asm").write_bytes(b"db " + b"1," * 50_000_000 + b"1\n")
    began = time.monotonic()
    result = build("long.asm", folder=folder)
    assert time.monotonic() - began < 30
    assert result.returncode in (1, 2)
    assert "at most" in result.stderr or "limit" in result.stderr
