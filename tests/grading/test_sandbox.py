"""Messages between a grading and its worker, and a worker that dies, hangs or answers nonsense."""

from __future__ import annotations

import io
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.grading.fakes import moment
from toolkit.grading.evidence import (
    Broken,
    BuildEvidence,
    BuildRequest,
    Evidence,
    FaultRecord,
    FileData,
    RunRequest,
)
from toolkit.grading.sandbox import WorkerSandbox
from toolkit.grading.wire import Job, JobReceiver, JobSender, ProtocolError, Reply, receive_reply, send

EVIDENCE = Evidence(
    signal="SIGSEGV",
    stdout=bytes(range(256)),
    files={"n\\xff": b"x"},
    moments={"exit": moment(rax=(1 << 64) - 1)},
    fault=FaultRecord("SIGSEGV", 1, 1 << 63, "read", {"rip": 5}),
)
REQUEST = RunRequest(
    BuildRequest("p", (FileData("p.asm", b"nop"),)), stdin=b"\xff", moments=("start", "exit")
)


@pytest.mark.parametrize(
    "reply",
    [
        Reply("ready"),
        Reply("run", run=EVIDENCE),
        Reply("build", build=BuildEvidence()),
        Reply("broken", broken=Broken("x")),
    ],
)
def test_replies_survive_the_wire(reply: Reply) -> None:
    stream = io.BytesIO()
    send(stream, reply)
    stream.seek(0)
    assert receive_reply(stream) == reply


def test_jobs_survive_the_wire_and_stay_hashable() -> None:
    stream = io.BytesIO()
    send(stream, Job(run=REQUEST))
    stream.seek(0)
    jobs = JobReceiver(stream)
    job = jobs.receive()
    assert job is not None
    assert job.run == REQUEST
    assert hash(job.run) == hash(REQUEST)
    assert jobs.receive() is None


def test_what_a_program_is_made_of_goes_along_once() -> None:
    stream = io.BytesIO()
    sender = JobSender(stream)
    again = replace(REQUEST, stdin=b"again")
    other = replace(REQUEST, build=BuildRequest("other", (FileData("o.asm", b"nop"),)))
    jobs = [Job(build=REQUEST.build), *(Job(run=each) for each in (REQUEST, again, other, other, again))]
    sizes = []
    for job in jobs:
        before = stream.tell()
        assert not sender.send(job, room=20)
        assert stream.tell() == before
        sizes.append(sender.send(job))
        assert stream.tell() - before == sizes[-1] > 20
    assert max(sizes[1], sizes[2], sizes[4]) < min(sizes[3], sizes[5])
    stream.seek(0)
    receiver = JobReceiver(stream)
    assert [receiver.receive() for _ in jobs] == jobs
    assert receiver.receive() is None


def test_a_first_job_without_a_program_is_no_job() -> None:
    stream = io.BytesIO()
    send(stream, Job(run=RunRequest(BuildRequest(""))))
    stream.seek(0)
    with pytest.raises(ProtocolError, match="no program"):
        JobReceiver(stream).receive()


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "little") + body


LIES = {
    "no message": frame(b"\xc1"),
    "another type": frame(msgspec.msgpack.encode(["run", None, {"exit_code": "zero"}, None])),
    "an unknown kind": frame(msgspec.msgpack.encode(["root", None, None, None])),
    "a pickle": frame(b"cos\nsystem\n(S'true'\ntR."),
    "cut short": frame(b"abcdef")[:6],
    "half a length": b"\x05\0",
    "too long": b"\xff\xff\xff\xff",
    "nothing": b"",
    "deep nesting": frame(b"\x91" * 100_000),
}


@pytest.mark.parametrize("case", LIES)
def test_a_lie_is_a_protocol_error_and_nothing_else(case: str) -> None:
    with pytest.raises(ProtocolError):
        receive_reply(io.BytesIO(LIES[case]))


def fake_worker(tmp_path: Path, behaviour: str) -> list[str]:
    """A worker that says ready, reads its first job and then does ``behaviour``; later ones answer at once."""
    script = tmp_path / "worker.py"
    script.write_text(
        f"""
import os, sys, time, signal
from pathlib import Path
from toolkit.grading.evidence import Broken
from toolkit.grading.wire import JobReceiver, Reply, send
first = Path({str(tmp_path / "second")!r})
send(sys.stdout.buffer, Reply("ready"))
jobs = JobReceiver(sys.stdin.buffer)
while jobs.receive():
    if not first.exists():
        first.touch()
        {behaviour}
    send(sys.stdout.buffer, Reply("broken", broken=Broken("answered")))
"""
    )
    return [sys.executable, str(script)]


BEHAVIOURS = {
    "os.kill(os.getpid(), signal.SIGABRT)": "ended by SIGABRT",
    "os._exit(3)": "ended with status 3",
    "os._exit(0)": "the worker process ended",
    "time.sleep(60)": "no answer within 0.5 s",
    "os.write(1, b'x' * 50); time.sleep(60)": "announced a message of 2021161080 bytes",
}


@pytest.mark.skipif(sys.platform == "win32", reason="the behaviours are POSIX ones")
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_bad_worker_breaks_one_job_and_a_fresh_one_goes_on(tmp_path: Path, behaviour: str) -> None:
    began = time.monotonic()
    with WorkerSandbox(job_limit=0.5, command=fake_worker(tmp_path, behaviour)) as sandbox:
        first = sandbox.run(REQUEST)
        assert isinstance(first, Broken)
        assert BEHAVIOURS[behaviour] in first.reason
        assert sandbox.run(REQUEST) == Broken("answered")
    assert time.monotonic() - began < 10


def test_a_worker_that_cannot_begin_says_why(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys\nfrom toolkit.grading.evidence import Broken\nfrom toolkit.grading.wire import Reply, send\n"
        "send(sys.stdout.buffer, Reply('broken', broken=Broken('no engine')))\n"
    )
    with WorkerSandbox(command=[sys.executable, str(script)]) as sandbox:
        assert sandbox.run(REQUEST) == Broken("the worker process can't work: no engine")


def test_an_answer_to_another_question_is_broken(tmp_path: Path) -> None:
    with WorkerSandbox(
        command=fake_worker(tmp_path, 'send(sys.stdout.buffer, Reply("ready")); continue')
    ) as sandbox:
        answer = sandbox.run(REQUEST)
    assert answer == Broken("the worker process answered another question than it was asked")
