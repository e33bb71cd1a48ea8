"""Where jobs are graded: sandboxes on this machine, or a Dask cluster.

Both take jobs and yield (key, result) in the order in which they are done; a worker that dies costs nobody else anything.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from toolkit.classroom.jobs import GradeJob, broken
from toolkit.grading.report import ExerciseResult
from toolkit.grading.sandbox import WorkerSandbox

CONNECT_LIMIT = "15s"  # how long a scheduler may take to answer
Done = tuple[str, ExerciseResult]


class ClusterError(Exception):
    """The cluster can't be used; the message is for the instructor."""


def grade_locally(jobs: Iterable[GradeJob], workers: int) -> Iterator[Done]:
    """Grade on ``workers`` sandboxed processes. Jobs are taken from the iterable as workers become free."""
    waiting: queue.Queue[GradeJob | None] = queue.Queue(maxsize=2 * workers)
    finished: queue.Queue[Done | None] = queue.Queue()
    stop = threading.Event()

    def serve() -> None:
        with WorkerSandbox() as sandbox:
            while not stop.is_set() and (job := waiting.get()) is not None:
                finished.put((job.key, _graded(job, sandbox)))
        finished.put(None)

    def feed() -> None:
        for job in jobs:
            if not _put(waiting, job, stop):
                return
        for _ in range(workers):
            _put(waiting, None, stop)

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(workers)]
    threads.append(threading.Thread(target=feed, daemon=True))
    for thread in threads:
        thread.start()
    running = workers
    try:
        while running:
            done = finished.get()
            if done is None:
                running -= 1
            else:
                yield done
    finally:
        stop.set()
        _drain(waiting, workers)
        for thread in threads:
            thread.join(timeout=10)


def _graded(job: GradeJob, sandbox: WorkerSandbox) -> ExerciseResult:
    try:
        return job.grade(sandbox)
    except Exception as error:
        return broken(job, f"internal error: {type(error).__name__}: {error}")


def _put(waiting: queue.Queue[GradeJob | None], job: GradeJob | None, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            waiting.put(job, timeout=0.2)
            return True
        except queue.Full:
            continue
    return False


def _drain(waiting: queue.Queue[GradeJob | None], workers: int) -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        for _ in range(workers):
            waiting.put_nowait(None)


# -- a cluster ---------------------------------------------------------------------------------------------------

_sandboxes = threading.local()


def grade_here(job: GradeJob) -> ExerciseResult:
    """What a cluster's worker runs: each of its threads keeps one sandbox."""
    sandbox = getattr(_sandboxes, "sandbox", None)
    if sandbox is None:
        sandbox = _sandboxes.sandbox = WorkerSandbox()
    return _graded(job, sandbox)


def grade_on_cluster(jobs: Iterable[GradeJob], address: str) -> Iterator[Done]:
    """Grade on a Dask cluster (``tcp://…``). Raises ClusterError. A job whose worker dies is tried on another."""
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=CONNECT_LIMIT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(f"no scheduler answers at {address}: {error}") from error
    with client:
        yield from _collect(distributed, client, iter(jobs))


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise ClusterError("--scheduler needs Dask: pip install 'toolkit[cluster]'") from None
    return distributed


def _collect(distributed: Any, client: Any, jobs: Iterator[GradeJob]) -> Iterator[Done]:
    """Keep a bounded number of jobs on the cluster."""
    pending: dict[Any, GradeJob] = {}
    ready = distributed.as_completed(loop=client.loop)
    limit = max(8, 4 * sum(client.nthreads().values()))

    def submit() -> bool:
        job = next(jobs, None)
        if job is None:
            return False
        future = client.submit(grade_here, job, pure=False, retries=2)
        pending[future] = job
        ready.add(future)
        return True

    while len(pending) < limit and submit():
        pass
    while pending:
        future = next(ready)
        job = pending.pop(future)
        try:
            result = future.result()
        except Exception as error:  # whatever the cluster could not do is no student's fault
            result = broken(job, f"the cluster could not grade it: {type(error).__name__}: {error}")
        yield job.key, result
        submit()
