"""The child process: reads jobs from standard input, assembles, links and runs, answers on standard output.

It is started with no environment, an empty directory and no other descriptors, and confines itself before the first job.
An exception of ours becomes a ``Broken`` answer; a crash of the emulator ends the process, which the parent sees.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, BinaryIO

PARENT_WATCH = 1.0  # seconds between two looks at whether the parent is still there

if TYPE_CHECKING:
    from toolkit.grading.engine import Engine
    from toolkit.grading.wire import Job, Reply


def main() -> None:
    """Serve until standard input ends."""
    requests, replies = _claim_streams()
    _end_with_parent()
    from toolkit.grading.confine import confine
    from toolkit.grading.engine import Engine
    from toolkit.grading.evidence import Broken
    from toolkit.grading.wire import JobReceiver, Reply, send

    try:
        engine = Engine()
        engine.warm_up()
        confine()
    except Exception as error:
        send(replies, Reply("broken", broken=Broken(describe_exception(error))))
        return
    _collect_seldom()
    send(replies, Reply("ready"))
    jobs = JobReceiver(requests)
    while (job := jobs.receive()) is not None:
        respond(replies, answer(engine, job))


def _collect_seldom() -> None:
    """What is loaded stays, and is not looked through again; a job makes many objects at once, few of them in cycles.

    With Python's own thresholds a fifth of the time of a large source went into looking for garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(30_000, 10, 10)


def respond(replies: BinaryIO, reply: Reply) -> None:
    """Send a reply; evidence that can't be sent becomes a ``Broken`` that says why."""
    from toolkit.grading.evidence import Broken
    from toolkit.grading.wire import Reply, send

    try:
        send(replies, reply)
    except (TypeError, ValueError, OverflowError) as error:
        send(replies, Reply("broken", broken=Broken(describe_exception(error))))


def answer(engine: Engine, job: Job) -> Reply:
    """Do one job; whatever goes wrong in our own code is said in the reply."""
    from toolkit.grading.evidence import Broken
    from toolkit.grading.wire import Reply

    try:
        if job.build is not None:
            return Reply("build", build=engine.build(job.build))
        if job.run is not None:
            outcome = engine.run(job.run)
            return (
                Reply("broken", broken=outcome) if isinstance(outcome, Broken) else Reply("run", run=outcome)
            )
        return Reply("broken", broken=Broken("an empty job"))
    except MemoryError:
        return Reply("broken", broken=Broken("the worker process ran out of memory"))
    except Exception as error:
        return Reply("broken", broken=Broken(describe_exception(error)))


def describe_exception(error: BaseException) -> str:
    """One line: what was raised and where in our code, with no path of this host."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "toolkit" in frame.filename] or frames
    where = ""
    if own:
        parts = own[-1].filename.replace("\\", "/").split("/")
        start = len(parts) - 1 - parts[::-1].index("toolkit") if "toolkit" in parts else len(parts) - 1
        where = f" ({'/'.join(parts[start:])}:{own[-1].lineno})"
    return f"internal error: {type(error).__name__}: {error}{where}"


def _end_with_parent() -> None:
    """End when the parent is gone, also in the middle of a run: a parent that is killed can't end its workers itself.

    Where there are no parent's numbers that change (Windows), the worker ends with its job, when the pipe breaks.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_WATCH)
        os._exit(0)

    if os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()


def _claim_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the two pipes to ourselves: nothing that prints by accident can write into the messages."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    sys.stdin = open(os.devnull)  # noqa: SIM115 - kept for the process's life
    return requests, replies


if __name__ == "__main__":
    main()
