"""System V IPC: C programs print every result and errno here and on Linux, as 64- and 32-bit processes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.differential.test_programs import emulated
from toolkit.kernel.kernel import Kernel
from toolkit.machine.cpu import Machine
from toolkit.views.segments import segments_table

PROGRAMS = Path(__file__).parent / "ipc"
BUILDS = {"x86-64": ["-static"], "i386": ["-static", "-m32"]}

pytestmark = pytest.mark.differential


def native(program: Path, *arguments: str) -> tuple[int, bytes, bytes]:
    """Run on Linux in an IPC namespace of its own, where that is allowed: the objects of others are not seen."""
    alone = ["unshare", "--ipc"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode:
        alone = []
    done = subprocess.run(
        [*alone, "setarch", "-R", f"./{program.name}", *arguments],
        cwd=program.parent,
        capture_output=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin"},
    )
    return done.returncode if done.returncode >= 0 else 128 - done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("name", ["shm", "sem", "msg", "posix"])
def test_results_are_linux_s(name: str, build: str, machine: Machine, tmp_path: Path) -> None:
    program = tmp_path / name
    compiled = subprocess.run(
        ["gcc", "-O1", "-w", "-pthread", *BUILDS[build], "-o", program, PROGRAMS / f"{name}.c"],
        capture_output=True,
    )
    assert compiled.returncode == 0, compiled.stderr.decode()
    status, stdout, stderr = native(program)
    outcome = emulated(machine, program)
    assert outcome.stdout.decode().splitlines() == stdout.decode().splitlines()
    assert (outcome.status, outcome.stderr) == (status, stderr)
    assert outcome.unknown_syscalls == ()


def cells(text: str) -> list[str]:
    """The lines of a table without ids, times and process numbers, and the creator's arguments."""
    lines = [re.sub(r" +", " ", line).strip() for line in text.splitlines()]
    return sorted(
        re.sub(r"^(\S+) \d+ (.*?) \d\d:\d\d \d+ \d+ ?(\S*).*", r"\1 \2 \3", line).strip() for line in lines
    )


@pytest.mark.skipif(shutil.which("lsipc") is None, reason="needs lsipc of util-linux")
def test_table_is_lsipc_s(machine: Machine, tmp_path: Path) -> None:
    program = tmp_path / "segments"
    subprocess.run(["gcc", "-O1", "-w", "-static", "-o", program, PROGRAMS / "segments.c"], check=True)
    _, expected, _ = native(program, "lsipc")
    tables: list[str] = []
    with Kernel(machine, uid=0, gid=0, memory=1 << 30) as kernel:
        kernel.spawn(program.read_bytes(), ["./segments"], {}, name="segments")
        kernel.at("syscall:getppid", lambda stop: tables.append(segments_table(stop.kernel)))
        kernel.run(10**9)
    assert cells(tables[0]) == cells(expected.decode())


def test_proc_files_are_linux_s(machine: Machine, tmp_path: Path) -> None:
    """/proc/sysvipc: the columns, with ids, process numbers and times replaced by their widths."""
    program = tmp_path / "files"
    subprocess.run(["gcc", "-O1", "-w", "-static", "-o", program, PROGRAMS / "files.c"], check=True)
    _, expected, _ = native(program)
    outcome = emulated(machine, program)
    assert outcome.stdout.decode().splitlines() == expected.decode().splitlines()
