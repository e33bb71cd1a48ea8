"""Runs begun before they are asked for: the same answers, whatever was guessed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from toolkit.grading.evidence import Broken, BuildRequest, Evidence, FileData, RunRequest
from toolkit.grading.foresight import Foresight
from toolkit.grading.sandbox import WorkerSandbox

ECHO = b"""
global _start
section .bss
room: resb 64
section .text
_start: xor eax, eax
        xor edi, edi
        mov esi, room
        mov edx, 64
        syscall
        mov edx, eax
        mov eax, 1
        mov edi, 1
        syscall
        mov eax, 60
        mov edi, STATUS
        syscall
"""


def request(stdin: bytes, status: int = 0) -> RunRequest:
    source = b"STATUS equ %d\n" % status + ECHO
    return RunRequest(BuildRequest("echo", (FileData("echo.asm", source),)), stdin=stdin)


def seen(answer: Evidence | Broken) -> tuple[bytes, int | None]:
    assert isinstance(answer, Evidence), answer
    return answer.stdout, answer.exit_code


class Listening(WorkerSandbox):
    """Notes what is guessed."""

    def __init__(self) -> None:
        super().__init__()
        self.guessed: list[tuple[RunRequest, ...]] = []

    def run(self, request: RunRequest, guesses: Sequence[RunRequest] = ()) -> Evidence | Broken:
        self.guessed.append(tuple(guesses))
        return super().run(request, guesses)


def test_each_run_gets_its_own_evidence_whatever_was_guessed() -> None:
    sandbox = Listening()
    foresight = Foresight(sandbox)
    gradings = [
        (b"a", b"b", b"c", b"d"),
        (b"a", b"b", b"c", b"d"),
        (b"a", b"c", b"x", b"b"),
        (b"d",),
        (b"a", b"c"),
    ]
    try:
        for status, inputs in enumerate(gradings):
            foresight.build(request(b"", status).build)
            answers = [seen(foresight.run(request(stdin, status))) for stdin in inputs]
            assert answers == [(stdin, status) for stdin in inputs]
    finally:
        foresight.close()
    guesses = [tuple(guess.stdin for guess in each) for each in sandbox.guessed]
    assert guesses[:4] == [(), (), (), ()]
    assert guesses[4:8] == [(b"b", b"c"), (b"c", b"d"), (b"d",), ()]
    assert sandbox.guessed[4][0] == request(b"b", 1)


def test_a_guess_is_known_to_the_worker_only_when_it_was_wrong() -> None:
    with WorkerSandbox() as sandbox:
        one, two, three = (request(stdin) for stdin in (b"1", b"2", b"3"))
        assert seen(sandbox.run(one, [two, three])) == (b"1", 0)
        assert seen(sandbox.run(two, [three, one])) == (b"2", 0)
        assert seen(sandbox.run(one)) == (b"1", 0)
        evidence = sandbox.build(one.build)
        assert not isinstance(evidence, Broken)
        assert evidence.elf is not None


DIES_OF = """
import sys
sys.path.insert(0, {path!r})
from toolkit.grading import worker
from toolkit.grading.engine import Engine
import os
run = Engine.run
Engine.run = lambda self, request: os._exit(7) if request.stdin == b"kill" else run(self, request)
worker.main()
"""


def test_a_worker_that_dies_of_a_guess_costs_only_who_asks_for_it() -> None:
    program = DIES_OF.format(path=str(Path(__file__).parents[2]))
    with WorkerSandbox(command=[sys.executable, "-c", program]) as sandbox:
        good, bad = request(b"good"), request(b"kill")
        assert seen(sandbox.run(good, [bad, good])) == (b"good", 0)
        assert seen(sandbox.run(good, [bad])) == (b"good", 0)
        assert isinstance(sandbox.run(bad, [good]), Broken)
        assert seen(sandbox.run(good)) == (b"good", 0)


def test_what_finds_no_room_in_the_pipe_is_not_sent_ahead() -> None:
    comment = FileData("large.inc", b"; " + b"x" * (1 << 20))
    large = RunRequest(BuildRequest("echo", (FileData("echo.asm", b"STATUS equ 0\n" + ECHO),), (comment,)))
    with WorkerSandbox() as sandbox:
        for _ in range(3):
            assert seen(sandbox.run(large, [large, large])) == (b"", 0)
