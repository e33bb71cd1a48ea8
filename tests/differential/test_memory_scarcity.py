"""Swap, overcommit and the out-of-memory killer, compared with this machine's: its settings are changed for the moment."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import host_settings
import pytest
from host import has_protection_keys

from toolkit.kernel.kernel import Kernel
from toolkit.kernel.mm import oom
from toolkit.kernel.outcome import Outcome
from toolkit.machine.cpu import Machine

SOURCES = Path(__file__).parent / "memory"
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
ATTEMPTS = 3
"""Whatever else runs on the machine may reclaim, or promise memory, just then."""

pytestmark = pytest.mark.differential


def build(name: str, folder: Path) -> Path:
    program = folder / "program"
    subprocess.run(["gcc", "-O1", "-static", "-w", "-o", program, SOURCES / f"{name}.c"], check=True)
    return program


def native(folder: Path, *arguments: str, before: Callable[[], object] | None = None) -> str:
    done = subprocess.run(
        ["setarch", "-R", "./program", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
        timeout=60,
        preexec_fn=before,
    )
    return done.stdout.decode()


def ours(
    program: Path, prepare: Callable[[Kernel], object], *arguments: str, **options: int
) -> tuple[Outcome, list[str]]:
    """How it ends here, and what the kernel's log says of killings."""
    with Kernel(Machine(), uid=0, gid=0, directory=str(program.parent), **options) as kernel:
        kernel.frames.protection_keys = has_protection_keys()
        prepare(kernel)
        kernel.spawn(program.read_bytes(), ["./program", *arguments], ENVIRONMENT, name="program")
        return kernel.run(2_000_000_000), list(kernel.out_of_memory.log)


def require_equal(mine: str, theirs: Callable[[], str]) -> None:
    difference: list[str] = []
    for _ in range(ATTEMPTS):
        difference = list(
            difflib.unified_diff(theirs().splitlines(), mine.splitlines(), "native", "ours", n=2)
        )
        if not difference:
            return
    raise AssertionError("\n".join(difference))


def test_pages_go_to_swap_and_come_back_as_on_linux(tmp_path: Path) -> None:
    program = build("swapping", tmp_path)
    outcome, _ = ours(program, lambda kernel: None, swap=(64 << 20) - 4096)  # less the header's page

    def theirs() -> str:
        with host_settings.swap(64 << 20):
            return native(tmp_path)

    require_equal(outcome.stdout.decode(), theirs)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_promises_of_memory_are_linux_s(mode: int, tmp_path: Path) -> None:
    # With a strict limit the unit is so large that whatever else runs on the machine does not notice it.
    unit = 64 if mode == 2 else 1
    room = 4 * unit << 30
    program = build("overcommit", tmp_path)

    def prepare(kernel: Kernel) -> None:
        commitment = kernel.frames.commitment
        commitment.memory, commitment.mode = host_settings.meminfo("MemTotal") >> 2, mode
        commitment.kilobytes = (commitment.committed << 2) + (room >> 10) if mode == 2 else 0

    outcome, _ = ours(program, prepare, str(unit))
    assert outcome.exit_code == 0

    def theirs() -> str:
        with host_settings.overcommit(mode, room):
            return native(tmp_path, str(unit))

    require_equal(outcome.stdout.decode(), theirs)


def test_the_killer_chooses_as_linux_does(tmp_path: Path) -> None:
    limit = 32 << 20
    program = build("killed", tmp_path)
    outcome, log = ours(program, lambda kernel: None, memory=limit)

    def theirs() -> str:
        with host_settings.memory_group(limit) as processes:
            return native(tmp_path, before=lambda: processes.write_text(str(os.getpid())))

    require_equal(outcome.stdout.decode(), theirs)
    assert "offered: signal 9" in outcome.stdout.decode()
    journal = subprocess.run(["dmesg"], capture_output=True, check=False).stdout.decode(errors="replace")
    killings = re.findall(r"emory.*: (Killed process .*)", journal)
    if journal:
        assert {numberless(line) for line in killings[-2:]} == {
            numberless(line.partition(": ")[2]) for line in log if "Killed" in line
        }


def numberless(line: str) -> str:
    """A line of the kernel's log without what depends on the machine."""
    return re.sub(r"(?<=[ :])\d+(?=kB|,| \()", "N", line)


def test_oom_score_is_linux_s() -> None:
    script = (
        "import sys; data = bytearray(200 << 20); sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdout.read(1)
        folder = Path(f"/proc/{process.pid}")
        for adjustment in (0, 1, 100, 500, 999, 1000):
            (folder / "oom_score_adj").write_text(str(adjustment))
            status = dict(re.findall(r"(?m)^(Vm\w+):\s+(\d+)", (folder / "status").read_text()))
            used = sum(int(status[name]) >> 2 for name in ("VmRSS", "VmSwap", "VmPTE"))
            total = (host_settings.meminfo("MemTotal") + host_settings.meminfo("SwapTotal")) >> 2
            assert abs(oom.scaled(used, adjustment, total) - int((folder / "oom_score").read_text())) <= 1
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=20)
