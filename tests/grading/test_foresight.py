"""Runs begun before they are asked for: the same answers, whatever was guessed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

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
    """Notes what is asked and guessed, as ``asked<guesses``."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[str] = []
        self.guessed: list[RunRequest] = []

    def run(self, request: RunRequest, guesses: Sequence[RunRequest] = ()) -> Evidence | Broken:
        self.inputs.append((request.stdin + b"<" + b"".join(guess.stdin for guess in guesses)).decode())
        self.guessed += guesses
        return super().run(request, guesses)


GRADINGS = (b"abcd", b"abcd", b"acxb", b"d", b"ac", b"abcd", b"abcd")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_run_gets_its_own_evidence_whatever_was_guessed(count: int) -> None:
    foresight = Foresight(*(WorkerSandbox() for _ in range(count)))
    try:
        for status, inputs in enumerate(GRADINGS):
            foresight.build(request(b"", status).build)
            for letter in inputs:
                stdin = bytes([letter])
                assert seen(foresight.run(request(stdin, status))) == (stdin, status)
    finally:
        foresight.close()


def test_what_is_guessed_is_what_followed_with_the_new_sources() -> None:
    first, second = Listening(), Listening()
    foresight = Foresight(first, second)
    try:
        for status in (0, 1):
            foresight.build(request(b"", status).build)
            for letter in b"abcd":
                foresight.run(request(bytes([letter]), status))
    finally:
        foresight.close()
    assert first.inputs == ["a<", "b<", "c<", "d<", "b<d", "d<"]
    assert second.inputs == ["a<c", "c<"]  # begun while the first one built
    assert second.guessed[0] == request(b"c", 1)


def test_one_exercise_s_runs_are_not_guessed_for_another() -> None:
    """Several are watched in turn: each begins with the run that it began with the last time."""
    first, second = Listening(), Listening()
    foresight = Foresight(first, second)
    try:
        for status in (0, 1, 2):
            for name, inputs in (("one", b"ab"), ("two", b"cd")):
                build = replace(request(b"", status).build, name=name)
                foresight.build(build)
                for letter in inputs:
                    foresight.run(replace(request(bytes([letter]), status), build=build))
    finally:
        foresight.close()
    assert [each[0] for each in first.inputs] == list("abcd" + "bdbd")
    assert [each[0] for each in second.inputs] == list("acac")


def test_after_a_wrong_guess_the_workers_take_turns_again() -> None:
    first, second = Listening(), Listening()
    foresight = Foresight(first, second)
    try:
        for status, inputs in enumerate((b"abcdef", b"acx", b"abcdef", b"abcdef")):
            first.inputs, second.inputs = [], []
            foresight.build(request(b"", status).build)
            for letter in inputs:
                assert seen(foresight.run(request(bytes([letter]), status))) == (bytes([letter]), status)
    finally:
        foresight.close()
    assert [each[0] for each in first.inputs] == ["b", "d", "f"]
    assert [each[0] for each in second.inputs] == ["a", "c", "e"]


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
