"""Messages between a grading and its worker: a 4-byte little-endian length, then MessagePack.

Decoding builds the declared types and checks every field's type, and can do nothing else: a worker taken over by
what it runs can lie about its own submission, but not reach into the process that asked.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Literal, TypeVar

import msgspec

from toolkit.grading.evidence import Broken, BuildEvidence, BuildRequest, Evidence, RunRequest

_LENGTH = struct.Struct("<I")
LONGEST_MESSAGE = 256 << 20  # bytes; a longer one is nonsense


class ProtocolError(Exception):
    """The other side ended, or sent what is no message."""


class Job(msgspec.Struct, frozen=True, array_like=True):
    """Exactly one of the two is set."""

    build: BuildRequest | None = None
    run: RunRequest | None = None


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """The answer to one ``Job``; ``kind`` names the field that is set."""

    kind: Literal["ready", "build", "run", "broken"]
    build: BuildEvidence | None = None
    run: Evidence | None = None
    broken: Broken | None = None


Message = TypeVar("Message", Job, Reply)
_encoder = msgspec.msgpack.Encoder()
_job_decoder = msgspec.msgpack.Decoder(Job)
_reply_decoder = msgspec.msgpack.Decoder(Reply)


_SAME_PROGRAM = BuildRequest("")  # no program has no name: in a message it stands for that of the job before


class JobSender:
    """Sends jobs to one worker. What a run's program is made of goes along once, and not with each run of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._program: BuildRequest | None = None

    def send(self, job: Job, room: int | None = None) -> int:
        """The bytes sent, or 0 if they are more than there is room for. Raises OSError when the other side is gone."""
        message = _encoded(self._shortened(job))
        if room is not None and len(message) > room:
            return 0
        self._stream.write(message)
        self._stream.flush()
        self._program = _program_of(job)
        return len(message)

    def _shortened(self, job: Job) -> Job:
        if job.run is None or job.run.build != self._program:
            return job
        return Job(run=job.run.of(_SAME_PROGRAM))


class JobReceiver:
    """The other side of a ``JobSender``."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._program: BuildRequest | None = None

    def receive(self) -> Job | None:
        """The next job, or ``None`` at a clean end. Raises ProtocolError."""
        body = _receive(self._stream)
        if body is None:
            return None
        job = _decode(_job_decoder, body)
        if job.run is not None and job.run.build == _SAME_PROGRAM:
            if self._program is None:
                raise ProtocolError("the first job has no program")
            job = Job(run=job.run.of(self._program))
        self._program = _program_of(job)
        return job


def _program_of(job: Job) -> BuildRequest | None:
    return job.build if job.run is None else job.run.build


def _encoded(message: Job | Reply) -> bytes:
    body: bytes = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def send(stream: BinaryIO, message: Job | Reply) -> None:
    """Write one message. Raises OSError when the other side is gone."""
    stream.write(_encoded(message))
    stream.flush()


def receive_reply(stream: BinaryIO) -> Reply:
    """The next reply. Raises ProtocolError, also at the end of the stream."""
    body = _receive(stream)
    if body is None:
        raise ProtocolError("the worker process ended")
    return _decode(_reply_decoder, body)


def evidence_json(evidence: Evidence) -> bytes:
    """Evidence as a JSON document for people and other programs; bytes in base64."""
    return msgspec.json.format(msgspec.json.encode(evidence), indent=1) + b"\n"


def _decode(decoder: msgspec.msgpack.Decoder[Message], body: bytes) -> Message:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the worker process sent what is no message: {error}") from error


def _receive(stream: BinaryIO) -> bytes | None:
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise ProtocolError("the worker process ended within a message")
    (length,) = _LENGTH.unpack(head)
    if length > LONGEST_MESSAGE:
        raise ProtocolError(f"the worker process announced a message of {length} bytes")
    body = stream.read(length)
    if len(body) < length:
        raise ProtocolError("the worker process ended within a message")
    return body
