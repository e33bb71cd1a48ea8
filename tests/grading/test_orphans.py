"""A worker whose parent was killed does not go on, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import sys
from toolkit.grading.evidence import BuildRequest, FileData, RunRequest
from toolkit.grading.sandbox import WorkerSandbox

source = FileData("p.asm", b"global _start\\n_start: jmp _start\\n")
sandbox = WorkerSandbox()
sandbox.build(BuildRequest("p", (source,)))
print(sandbox._worker._process.pid, flush=True)
sandbox.run(RunRequest(BuildRequest("p", (source,)), budget=1 << 50))
"""


@pytest.mark.skipif(os.name != "posix", reason="parents are killed by signals on POSIX systems")
def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    time.sleep(0.5)  # the run has begun
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(600):
        if not _runs(worker):
            assert not list(tmp_path.iterdir())
            return
        time.sleep(0.1)
    os.kill(worker, signal.SIGKILL)
    raise AssertionError("the worker still runs a minute after its parent was killed")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")  # an orphan that has ended may wait for an init that never asks
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
