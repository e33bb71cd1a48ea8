"""What C programs print about /proc and areas: reading it in pieces, of processes that have ended, areas of segments."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from host import has_protection_keys

from toolkit.kernel.fs import procfs_memory
from toolkit.kernel.kernel import Kernel
from toolkit.machine.cpu import Machine

SOURCES = Path(__file__).parent / "memory"

pytestmark = pytest.mark.differential


@pytest.mark.parametrize("name", ["reading", "ended", "segments", "labels", "around"])
def test_output_is_linux_s(name: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    subprocess.run(["gcc", "-O1", "-static", "-w", "-o", program, SOURCES / f"{name}.c"], check=True)
    environment = {"PATH": "/usr/bin:/bin"}
    alone = ["unshare", "--ipc"] if os.geteuid() == 0 else []  # /proc/sysvipc tells the whole machine's
    done = subprocess.run(
        [*alone, "setarch", "-R", "./program"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=True,
        timeout=60,
    )
    with Kernel(Machine(), uid=0, gid=0, directory=str(tmp_path)) as kernel:
        kernel.frames.protection_keys = has_protection_keys()
        kernel.spawn(program.read_bytes(), ["./program"], environment, name="program")
        outcome = kernel.run(2_000_000_000)
    assert outcome.exit_code == 0
    assert outcome.stdout.decode().splitlines() == done.stdout.decode().splitlines()


def test_meminfo_has_linux_s_lines() -> None:
    """Names, their order and the width of what stands behind them; which DirectMap sizes there are, the CPU decides."""

    def shape(text: str) -> list[str]:
        lines = (line for line in text.splitlines() if not line.startswith(("DirectMap2M", "DirectMap1G")))
        return [re.sub(r" +\d+", lambda found: "#" * max(len(found[0]), 9), line) for line in lines]

    with Kernel(Machine()) as kernel:
        assert shape(procfs_memory.meminfo(kernel.frames)) == shape(Path("/proc/meminfo").read_text())
