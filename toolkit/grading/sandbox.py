"""The parent's side of a worker process: sends a job, waits, and says why when no evidence comes back.

A worker is started early and kept. One that dies, hangs or answers nonsense costs the job at hand, which
becomes ``Broken`` with the reason; the next job gets a fresh worker.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from toolkit.grading.evidence import Broken, BuildEvidence, BuildRequest, Evidence, RunRequest
from toolkit.grading.wire import Job, JobSender, ProtocolError, Reply, receive_reply

_BOOT = "import sys; sys.path.append(sys.argv[1]); from toolkit.grading.worker import main; main()"
START_LIMIT = 60.0  # seconds of wall clock for a worker to say that it is ready
RETIRE_AT = 200 << 20  # bytes of memory after which a worker makes room for a fresh one
PIPE_ROOM = 16 << 10  # bytes that a pipe takes on every host without being read
JOB_LIMIT = 60.0  # seconds of wall clock for one job: the last resort, far beyond what any budget takes


class UnfitWorkerError(Exception):
    """A worker says that it can't begin."""


class Sandbox(Protocol):
    """Where programs are built and run: a worker process, or for trusted use this one."""

    def build(self, request: BuildRequest) -> BuildEvidence | Broken: ...

    def run(self, request: RunRequest) -> Evidence | Broken: ...

    def close(self) -> None: ...


class WorkerSandbox:
    """A ``Sandbox`` in a child process. Not to be shared between threads; ``close`` it, or use ``with``."""

    def __init__(self, job_limit: float = JOB_LIMIT, command: list[str] | None = None) -> None:
        self._job_limit = job_limit
        self._command = command or _worker_command()
        self._worker: _Worker | None = _Worker(self._command)

    def __enter__(self) -> WorkerSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def build(self, request: BuildRequest, guesses: Sequence[RunRequest] = ()) -> BuildEvidence | Broken:
        """Assemble and link. ``guesses``: as in ``run``."""
        reply = self._ask(Job(build=request), [Job(run=guess) for guess in guesses])
        return reply.build or reply.broken or _nonsense()

    def run(self, request: RunRequest, guesses: Sequence[RunRequest] = ()) -> Evidence | Broken:
        """Assemble, link and run (what was assembled before is not assembled again).

        ``guesses``: the runs that will probably be asked for next, with which the worker begins when it has done this one.
        """
        reply = self._ask(Job(run=request), [Job(run=guess) for guess in guesses])
        return reply.run or reply.broken or _nonsense()

    def begins_with(self, request: RunRequest) -> bool:
        """Whether the worker was sent this run ahead, and it is the first of those not asked for."""
        return self._worker is not None and self._worker.begins_with(Job(run=request))

    def prepare(self, guesses: Sequence[RunRequest]) -> int:
        """Have the worker begin with runs that will probably be asked for; how many of them it was sent by now."""
        if self._worker is None:
            self._worker = _Worker(self._command)
        with suppress(OSError):  # one that is gone is found out when it is asked
            self._worker.send_ahead([Job(run=guess) for guess in guesses])
        return self._worker.ahead

    def close(self) -> None:
        """End the worker, at once."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def forget_guesses(self) -> None:
        """Wait until the worker is through with what it was sent ahead."""
        if self._worker is not None and not self._worker.forget_guesses(self._job_limit):
            self.close()  # it came to grief over a run that nobody asks for

    def _ask(self, job: Job, guesses: Sequence[Job] = ()) -> Reply:
        if self._worker is not None and not self._worker.begins_with(job):
            self.forget_guesses()
        if self._worker is None:
            self._worker = _Worker(self._command)
        try:
            reply = self._worker.ask(job, self._job_limit, guesses)
            if self._worker.resident > RETIRE_AT:
                self.close()
            return reply
        except UnfitWorkerError as error:
            self.close()
            return Reply("broken", broken=Broken(f"the worker process can't work: {error}"))
        except (ProtocolError, OSError) as error:
            reason = self._worker.stop() or str(error)
            self._worker = None
            return Reply("broken", broken=Broken(reason))


class _Worker:
    """One child process and the thread that ends it when a deadline passes."""

    def __init__(self, command: list[str]) -> None:
        self._directory = tempfile.mkdtemp(prefix="toolkit-worker-")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._directory,
            env=_environment(),
            start_new_session=os.name == "posix",
        )
        self._ready = False
        self._deadline: float | None = None
        self._late = False
        self._limit = 0.0
        self._wake = threading.Event()
        self._statm: FileIO | None = None
        self._ahead: deque[tuple[Job, int]] = deque()  # with their sizes
        self._jobs = JobSender(self._stdin)
        threading.Thread(target=self._watch, daemon=True).start()

    def _await_greeting(self) -> None:
        """The worker's first message says that it is ready. Raises UnfitWorkerError when it says something else."""
        if self._ready:
            return
        self._set_deadline(START_LIMIT)
        greeting = receive_reply(self._stdout)
        if greeting.kind != "ready":
            raise UnfitWorkerError(greeting.broken.reason if greeting.broken else "no greeting")
        self._ready = True
        self._drop_directory()

    def begins_with(self, job: Job) -> bool:
        """Whether this is the first of the jobs sent ahead."""
        return bool(self._ahead) and self._ahead[0][0] == job

    @property
    def ahead(self) -> int:
        """How many jobs were sent ahead."""
        return len(self._ahead)

    def send_ahead(self, guesses: Sequence[Job]) -> None:
        """Send the guesses behind as many as are on their way: those are the first of them. Raises OSError."""
        room = PIPE_ROOM - sum(size for _, size in self._ahead)
        for guess in guesses[len(self._ahead) :]:
            # While it writes an answer the worker reads nothing: what is sent ahead has to find room in the pipe.
            size = self._jobs.send(guess, room)
            if not size:
                return
            room -= size
            self._ahead.append((guess, size))

    def forget_guesses(self, limit: float) -> bool:
        """Wait for the answers to what it was sent ahead; False when it can't go on."""
        if not self._ahead:
            return True
        try:
            self._await_greeting()
            while self._ahead:
                self._set_deadline(limit)
                receive_reply(self._stdout)
                self._ahead.popleft()
        except (ProtocolError, OSError, UnfitWorkerError):
            return False
        self._deadline = None
        return True

    def ask(self, job: Job, limit: float, guesses: Sequence[Job] = ()) -> Reply:
        """Send and wait. Raises ProtocolError or OSError when the worker cannot answer.

        Precondition: what it was sent ahead begins with ``job``, or is nothing.
        """
        self._await_greeting()
        self._set_deadline(limit)
        if self._ahead:
            self._ahead.popleft()
        else:
            self._jobs.send(job)
        self.send_ahead(guesses)
        reply = receive_reply(self._stdout)
        self._deadline = None
        return reply

    @property
    def resident(self) -> int:
        """Bytes of memory that it holds (proc(5), statm); 0 where the host doesn't say."""
        try:
            if self._statm is None:
                self._statm = open(f"/proc/{self._process.pid}/statm", "rb", buffering=0)  # noqa: SIM115
            self._statm.seek(0)
            return int(self._statm.read(64).split()[1]) << 12
        except (OSError, ValueError, IndexError):
            return 0

    def stop(self) -> str | None:
        """End the process and say how it had ended, ``None`` if it was still well."""
        status = self._exit_status()
        self.end()
        if self._late:
            return f"the worker process gave no answer within {self._limit:g} s of wall clock and was ended"
        return None if status is None else describe_end(status)

    def end(self) -> None:
        """End the process, whatever it is doing."""
        self._wake.set()
        self._process.kill()
        self._process.wait()
        for stream in (self._stdin, self._stdout, *([self._statm] if self._statm else [])):
            with suppress(OSError):  # unsent bytes of a job for a worker that is gone
                stream.close()
        self._drop_directory()

    def _drop_directory(self) -> None:
        """Unlink the empty directory; where the system allows it under a process, that one stays in what nobody can fill.

        So nothing is left behind by a parent that is killed.
        """
        with suppress(OSError):
            os.rmdir(self._directory)

    def _exit_status(self) -> int | None:
        """Its status if it ends by itself: a pipe breaks a moment before its process can be waited for."""
        if self._stdin.closed:
            return self._process.poll()
        with suppress(OSError):
            self._stdin.close()
        try:
            return self._process.wait(timeout=0.2) or None
        except subprocess.TimeoutExpired:
            return None

    @property
    def _stdin(self) -> BinaryIO:
        return cast(BinaryIO, self._process.stdin)

    @property
    def _stdout(self) -> BinaryIO:
        return cast(BinaryIO, self._process.stdout)

    def _set_deadline(self, seconds: float) -> None:
        self._limit = seconds
        self._deadline = time.monotonic() + seconds

    def _watch(self) -> None:
        while not self._wake.wait(0.25):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._late = True
                self._process.kill()
                return


def describe_end(status: int) -> str:
    """A child's exit status (negative: signal) in words."""
    if status >= 0:
        return f"the worker process ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"the worker process was ended by {name}"


def _nonsense() -> Broken:
    return Broken("the worker process answered another question than it was asked")


def _worker_command() -> list[str]:
    package_parent = Path(__file__).resolve().parents[2]
    return [sys.executable, "-I", "-B", "-c", _BOOT, str(package_parent)]


def _environment() -> dict[str, str]:
    """Nothing; Windows alone can't load its libraries without SYSTEMROOT."""
    return {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
