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


def send(stream: BinaryIO, message: Job | Reply) -> None:
    """Write one message. Raises OSError when the other side is gone."""
    body = _encoder.encode(message)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def size_of(message: Job | Reply) -> int:
    """Bytes that it takes on its way."""
    return _LENGTH.size + len(_encoder.encode(message))


def receive_job(stream: BinaryIO) -> Job | None:
    """The next job, or ``None`` at a clean end. Raises ProtocolError."""
    body = _receive(stream)
    return None if body is None else _decode(_job_decoder, body)


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
