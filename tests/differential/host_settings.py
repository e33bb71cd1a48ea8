"""Settings of the whole machine that a test changes for a moment: swap, overcommit, a memory control group.

They take root; where they can't be changed the test is skipped with the reason. One process at a time holds the
lock, and everything is put back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

VM = Path("/proc/sys/vm")
ZRAM = Path("/sys/block/zram0")
GROUPS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
LOCK = Path(tempfile.gettempdir()) / "toolkit-host-settings.lock"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _setting(path: Path, value: int) -> Iterator[None]:
    before = path.read_text()
    try:
        path.write_text(str(value))
    except OSError as error:
        pytest.skip(f"{path} can't be set: {error.strerror}")
    try:
        yield
    finally:
        path.write_text(before)


@contextlib.contextmanager
def swap(size: int) -> Iterator[int]:
    """Swap space of compressed memory, read a page at a time; the number of its pages.

    zram is what Linux reads back without a swap cache if nobody else needs the page, so that who reads what when is
    the program's doing alone.
    """
    with _alone(), _setting(VM / "page-cluster", 0):
        if not ZRAM.exists():
            pytest.skip("this kernel has no /dev/zram0 to swap to")
        if int((ZRAM / "disksize").read_text()):
            pytest.skip("/dev/zram0 is in use")
        try:
            (ZRAM / "disksize").write_text(str(size))
            for command in ("mkswap", "swapon"):
                subprocess.run([f"/usr/sbin/{command}", "/dev/zram0"], check=True, capture_output=True)
            yield (size >> 12) - 1
        except PermissionError as error:
            pytest.skip(f"{ZRAM} can't be set up: {error.strerror}")
        finally:
            subprocess.run(["/usr/sbin/swapoff", "/dev/zram0"], check=False, capture_output=True)
            (ZRAM / "reset").write_text("1")


@contextlib.contextmanager
def overcommit(mode: int, room: int) -> Iterator[None]:
    """vm.overcommit_memory; in mode 2 with a limit that leaves ``room`` bytes."""
    with _alone(), contextlib.ExitStack() as stack:
        if mode == 2:
            # Writing the one of ratio and kbytes sets the other to 0: the ratio is put back last.
            stack.enter_context(_setting(VM / "overcommit_ratio", 50))
            stack.enter_context(_setting(VM / "overcommit_kbytes", meminfo("Committed_AS") + (room >> 10)))
        stack.enter_context(_setting(VM / "overcommit_memory", mode))
        yield


@contextlib.contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """A control group whose processes have ``limit`` bytes of memory; the file to write a process's number into."""
    root = next((path for path in GROUPS if (path / "cgroup.procs").exists()), None)
    if root is None:
        pytest.skip("no memory control groups are mounted")
    name = "memory.limit_in_bytes" if root.name == "memory" else "memory.max"
    with _alone():
        group = root / f"toolkit-{os.getpid()}"
        try:
            group.mkdir()
            (group / name).write_text(str(limit))
        except OSError as error:
            pytest.skip(f"{group} can't be made: {error.strerror}")
        try:
            yield group / "cgroup.procs"
        finally:
            group.rmdir()


def meminfo(name: str) -> int:
    """A value of /proc/meminfo, in kB."""
    found = re.search(rf"(?m)^{name}: +(\d+)", Path("/proc/meminfo").read_text())
    assert found
    return int(found[1])
