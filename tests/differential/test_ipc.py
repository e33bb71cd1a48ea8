"""System V IPC: C programs print every result and errno here and on Linux, as 64- and 32-bit processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.differential.test_programs import emulated, native
from toolkit.machine.cpu import Machine

PROGRAMS = Path(__file__).parent / "ipc"
BUILDS = {"x86-64": ["-static"], "i386": ["-static", "-m32"]}

pytestmark = pytest.mark.differential


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("name", ["shm", "sem", "msg"])
def test_results_are_linux_s(name: str, build: str, machine: Machine, tmp_path: Path) -> None:
    program = tmp_path / name
    compiled = subprocess.run(
        ["gcc", "-O1", "-w", *BUILDS[build], "-o", program, PROGRAMS / f"{name}.c"], capture_output=True
    )
    assert compiled.returncode == 0, compiled.stderr.decode()
    status, stdout, stderr = native(program)
    outcome = emulated(machine, program)
    assert outcome.stdout.decode().splitlines() == stdout.decode().splitlines()
    assert (outcome.status, outcome.stderr) == (status, stderr)
    assert outcome.unknown_syscalls == ()
