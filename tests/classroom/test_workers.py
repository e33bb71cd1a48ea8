"""Jobs on local workers and on a Dask cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.classroom.class_cases import GOOD, WRONG
from toolkit.classroom.jobs import GradeJob
from toolkit.classroom.packing import PackedExercise
from toolkit.classroom.workers import ClusterError, grade_locally, grade_on_cluster
from toolkit.grading.evidence import FileData
from toolkit.grading.exercise import Submission
from toolkit.grading.report import ExerciseResult


def jobs(exercise: PackedExercise, count: int) -> list[GradeJob]:
    sources = [(GOOD if n % 2 else WRONG) + b"\n; %d" % n for n in range(count)]
    return [GradeJob(exercise, Submission((FileData("prog.asm", each),))) for each in sources]


def expect_right(work: list[GradeJob], results: dict[str, ExerciseResult]) -> None:
    assert set(results) == {job.key for job in work}
    for number, job in enumerate(work):
        assert results[job.key].status == ("passed" if number % 2 else "failed")


@pytest.mark.parametrize("workers", [1, 3])
def test_local_workers(exercise: PackedExercise, workers: int) -> None:
    work = jobs(exercise, 10)
    found = list(grade_locally(work, workers))
    assert len(found) == 10
    expect_right(work, dict(found))


def test_a_grading_that_is_given_up_leaves_no_worker(exercise: PackedExercise) -> None:
    results = grade_locally(jobs(exercise, 50), 2)
    next(results)
    before = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - before < 15


def test_no_jobs() -> None:
    assert list(grade_locally([], 1)) == []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers as a school would start them, on loopback."""
    address = tmp_path / "scheduler.json"
    base = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    options = ["--scheduler-file", str(address), "--no-dashboard"]
    worker = [
        *base,
        "distributed.cli.dask_worker",
        *options,
        "--nthreads",
        "1",
        "--no-nanny",
        "--host",
        "127.0.0.1",
    ]
    scheduler = [*base, "distributed.cli.dask_scheduler", *options, "--host", "127.0.0.1", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    processes = [subprocess.Popen(scheduler, env=environment, **quiet)]  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + 60
        while not address.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        for _ in range(2):
            processes.append(subprocess.Popen(worker, env=environment, **quiet))  # type: ignore[call-overload]
        import json

        yield json.loads(address.read_text())["address"], processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a worker with SIGKILL")
def test_a_cluster_that_loses_a_worker_half_way(cluster, exercise: PackedExercise) -> None:  # type: ignore[no-untyped-def]
    import distributed

    address, workers = cluster
    with distributed.Client(address, timeout="30s", set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    work = jobs(exercise, 60)
    found: dict[str, ExerciseResult] = {}
    for key, result in grade_on_cluster(work, address):
        assert key not in found
        found[key] = result
        if len(found) == 20:
            os.kill(workers[0].pid, signal.SIGKILL)
    expect_right(work, found)
    assert workers[0].wait(10) == -signal.SIGKILL


def test_a_cluster_that_is_not_there(exercise: PackedExercise, monkeypatch: pytest.MonkeyPatch) -> None:
    import toolkit.classroom.workers as module

    monkeypatch.setattr(module, "CONNECT_LIMIT", "1s")
    with pytest.raises(ClusterError, match=r"no scheduler answers at tcp://127\.0\.0\.1:1"):
        list(grade_on_cluster(jobs(exercise, 1), "tcp://127.0.0.1:1"))
