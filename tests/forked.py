"""Runs ``toolkit`` commands in forks of a process that has imported it: a hundredth of a second each, where imports take a quarter.

A command gets its own arguments, streams, folder and environment, and ends as ever. What depends on how Python starts (variables
that begin with PYTHON, terminals, closed streams, signals) is for tests with processes of their own.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parents[1]
IMPORTED = ("abi", "asm", "cli", "grading", "kernel", "machine", "personality", "views")
WORD = 8  # bytes of a number in an answer
SECONDS = 60  # of wall clock for a command


def toolkit(
    *arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """What the command did and printed. ``environment`` is added to this process's. Raises subprocess.TimeoutExpired."""
    words = [*map(str, arguments)]
    variables = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TOOLKIT_DEBUG")}
    variables |= {"PYTHONPATH": str(ROOT)} | environment
    if not hasattr(os, "fork"):
        return subprocess.run(
            [sys.executable, "-m", "toolkit", *words],
            cwd=cwd,
            input=stdin,
            capture_output=True,
            timeout=SECONDS,
            env=variables,
        )
    inputs, outputs, errors = os.pipe(), os.pipe(), os.pipe()
    _request([words, str(cwd or Path.cwd()), variables], [inputs[0], outputs[1], errors[1]])
    with ThreadPoolExecutor(3) as streams:
        streams.submit(_write, inputs[1], stdin)
        output, error = (streams.submit(_read, pipe[0]) for pipe in (outputs, errors))
        return subprocess.CompletedProcess(words, _status(words), output.result(), error.result())


def _request(request: list[object], streams: list[int]) -> None:
    """Ask for a fork with these streams, which are closed here."""
    socket.send_fds(_server(), [b"\n"], streams)
    _server().sendall(json.dumps(request).encode() + b"\n")
    for descriptor in streams:
        os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    with open(descriptor, "wb") as pipe:
        pipe.write(data)


def _read(descriptor: int) -> bytes:
    with open(descriptor, "rb") as pipe:
        return pipe.read()


def _status(words: list[str]) -> int:
    """The exit status. What takes too long is killed."""
    pid = _answer()
    _server().settimeout(SECONDS)
    try:
        return _answer()
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        _server().settimeout(None)
        _server().recv(WORD)
        raise subprocess.TimeoutExpired(words, SECONDS) from None
    finally:
        _server().settimeout(None)


def _answer() -> int:
    """The next number that the server sends."""
    answer = _server().recv(WORD)
    assert answer, "the process that forks is gone"
    return int.from_bytes(answer, "little", signed=True)


@functools.cache
def _server() -> socket.socket:
    """A connection to the process that forks. It ends with this one."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "tests.forked", str(theirs.fileno())]
        process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def serve(connection: socket.socket) -> None:
    """Fork for each request, until the other side is gone."""
    for package in IMPORTED:
        for module in pkgutil.walk_packages([str(ROOT / "toolkit" / package)], f"toolkit.{package}."):
            importlib.import_module(module.name)
    gc.freeze()
    while (received := socket.recv_fds(connection, 1, 3))[0]:
        with connection.makefile("rb") as stream:
            arguments, folder, environment = json.loads(stream.readline())
        pid = os.fork()
        if not pid:
            connection.close()
            become(received[1], arguments, folder, environment)
            end()
        for descriptor in received[1]:
            os.close(descriptor)
        connection.sendall(pid.to_bytes(WORD, "little"))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        connection.sendall(status.to_bytes(WORD, "little", signed=True))


def become(descriptors: list[int], arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    """Take the place of ``python -m toolkit`` with these streams."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1, errors="backslashreplace")  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv = ["toolkit", *arguments]


def end() -> NoReturn:
    """Run the command, which ends the process; so does an exception that nobody catches."""
    from toolkit.cli import main

    try:
        main()
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as theirs:
        serve(theirs)
