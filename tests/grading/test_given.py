"""Drawn inputs: the smallest failing one is shown, the same each time, and trouble of ours is not the student's."""

from __future__ import annotations

import pytest

from tests.grading.fakes import FakeSandbox
from toolkit.grading import check, given, numbers, strategies, writable_numbers
from toolkit.grading.arrays import Hexadecimal, show_both, show_data
from toolkit.grading.checks import BrokenCheck, Check, Failure, GraderError
from toolkit.grading.evidence import Broken, BuildRequest, CallEvidence, Evidence, RunRequest
from toolkit.grading.program import Program, ProgramOptions


def program(answer: Evidence | Broken | object, seed: int = 0) -> Program:
    return Program(BuildRequest("prog"), ProgramOptions(seed=seed), FakeSandbox(answer))  # type: ignore[arg-type]


def doubled(request: RunRequest) -> Evidence:
    """A function that doubles its argument, but for arguments of 100 and more."""
    assert request.call is not None
    value = request.call.arguments[0].value
    return Evidence(signal=None, call=CallEvidence(True, rax=value * 2 if value < 100 else 7))


@check("doubles")
@given(strategies.integers(0, 10_000))
def doubles(prog: Program, number: int) -> None:
    prog.expect.call("buffer", number, returns=number * 2)


def test_the_smallest_failing_input_is_shown() -> None:
    with pytest.raises(Failure) as caught:
        doubles(program(doubled))
    assert caught.value.message == "buffer(100) returns the wrong rax"
    assert (caught.value.expected, caught.value.actual) == ("rax = 200 (0xc8)", "rax = 7 (0x7)")
    assert caught.value.explanation == ("smallest input found: number = 100",)


def test_the_same_seed_draws_the_same() -> None:
    def requests(seed: int) -> list[RunRequest]:
        sandbox = FakeSandbox(
            lambda request: Evidence(call=CallEvidence(True, rax=request.call.arguments[0].value * 2))
        )  # type: ignore[union-attr]
        doubles(Program(BuildRequest("prog"), ProgramOptions(seed=seed), sandbox))
        return sandbox.requests

    first, second, other = requests(1), requests(1), requests(2)
    assert [each.call for each in first] == [each.call for each in second]
    assert [each.call for each in first] != [each.call for each in other]
    assert len(first) > 5


def test_a_dead_worker_is_broken_and_asked_once() -> None:
    sandbox = FakeSandbox(Broken("the worker died"))
    with pytest.raises(BrokenCheck, match="the worker died"):
        doubles(Program(BuildRequest("prog"), ProgramOptions(), sandbox))
    assert len(sandbox.requests) == 1


def test_asserts_and_several_arguments() -> None:
    @given(strategies.integers(0, 50), strategies.integers(0, 50), examples=50)
    def add(prog: Program, a: int, b: int) -> None:
        assert a + b < 30, "too much"

    with pytest.raises(Failure, match="too much") as caught:
        add(program(Evidence()))
    assert caught.value.explanation[0].startswith("smallest input found: a = ")


def test_a_function_of_other_arguments_is_the_graders_mistake() -> None:
    with pytest.raises(GraderError, match="draws 2 arguments"):

        @given(strategies.integers(), strategies.integers())
        def one(prog: Program, a: int) -> None:
            pass


def test_the_check_keeps_its_help() -> None:
    @check("title")
    @given(strategies.integers())
    def documented(prog: Program, a: int) -> None:
        """Say this."""

    assert isinstance(documented, Check)
    assert documented.help == "Say this."


CALLS: dict[str, tuple[Evidence, dict[str, object], str]] = {
    "wrong result": (Evidence(call=CallEvidence(True, rax=1)), {"returns": 2}, "returns the wrong rax"),
    "wrong second": (Evidence(call=CallEvidence(True, rax=1, rdx=5)), {"returns": (1, 6)}, "wrong rdx"),
    "wrong bytes": (
        Evidence(call=CallEvidence(True, buffers={0: b"x"})),
        {"after": {0: b"y"}},
        "wrong bytes in argument 0",
    ),
    "wrong numbers": (
        Evidence(call=CallEvidence(True, buffers={0: bytes(8)})),
        {"after": {0: numbers([7, -1], "i")}},
        r"wrong bytes in argument 0 \(rdi\)",
    ),
    "wrong output": (
        Evidence(stdout=b"a", call=CallEvidence(True)),
        {"stdout": b"b"},
        "prints the wrong text",
    ),
    "too slow": (
        Evidence(instructions=9, call=CallEvidence(True)),
        {"instructions_at_most": 8},
        "too many instructions",
    ),
    "registers lost": (
        Evidence(call=CallEvidence(True, violations=("rbx must be kept: it was 0x1 and is 0x2",))),
        {},
        "breaks the calling convention: rbx must be kept",
    ),
    "ends the program": (
        Evidence(exit_code=0, call=CallEvidence(False)),
        {},
        "ends the program instead of returning",
    ),
    "does not end": (Evidence(cut_short="budget", call=CallEvidence(False)), {}, "does not come back"),
    "comes back": (Evidence(call=CallEvidence(True)), {"exits": 3}, "comes back"),
    "exits wrongly": (Evidence(exit_code=4, call=CallEvidence(False)), {"exits": 3}, "the wrong status"),
}


@pytest.mark.parametrize("case", CALLS)
def test_what_a_call_can_do_wrong(case: str) -> None:
    evidence, expected, message = CALLS[case]
    with pytest.raises(Failure, match=message):
        program(evidence).expect.call("buffer", bytearray(b"x"), **expected)  # type: ignore[arg-type]


def test_arrays_are_shown_as_numbers() -> None:
    evidence = Evidence(call=CallEvidence(True, buffers={0: bytes(8)}))
    with pytest.raises(Failure, match=r"^buffer\(\[1, 2\], -3\) leaves") as caught:
        program(evidence).expect.call(
            "buffer", writable_numbers([1, 2], "i"), -3, after={0: numbers([7, -1], "i")}
        )
    assert (caught.value.expected, caught.value.actual) == ("[7, -1]", "[0, 0]")
    assert show_data(writable_numbers([0x11, 0xA2], "B")) == "[11 a2]"
    long = list(range(100))
    assert show_both(numbers(long), numbers([*long[:50], 7, *long[51:]])) == (
        f"[… {', '.join(map(str, range(48, 88)))} …] (from number 48 of 100 on, counted from 0)",
        f"[… 48, 49, 7, {', '.join(map(str, range(51, 88)))} …] (from number 48 of 100 on, counted from 0)",
    )
    assert show_both(numbers([1]), b"odd") == ('"\\x01\\0\\0\\0\\0\\0\\0\\0"', '"odd"')


def test_numbers_can_be_told_in_hexadecimal() -> None:
    with pytest.raises(Failure, match=r"^buffer\(0x1f, 31\) returns the wrong rax"):
        program(Evidence(call=CallEvidence(True, rax=1))).expect.call(
            "buffer", Hexadecimal(31), 31, returns=2
        )


def test_what_is_right() -> None:
    evidence = Evidence(
        stdout=b"out", instructions=5, call=CallEvidence(True, (1 << 64) - 1, 2, {0: b"after"})
    )
    result = program(evidence).expect.call(
        "buffer",
        bytearray(b"before"),
        returns=(-1, 2),
        after={0: b"after"},
        stdout="out",
        instructions_at_most=5,
    )
    assert result == -1
    assert result is not None
    assert (int(result), result.rdx, result.buffers[0]) == ((1 << 64) - 1, 2, b"after")
    program(Evidence(exit_code=3, call=CallEvidence(False))).expect.call("buffer", 1, exits=3)


def test_what_is_loaded_does_not_change_what_is_drawn() -> None:
    from hypothesis.internal.conjecture import providers

    from toolkit.grading.given import _draw_alike_everywhere

    _draw_alike_everywhere()
    assert len(providers._get_local_constants()) == 0


@check("doubles twice")
@given(strategies.integers(0, 10_000), strategies.lists(strategies.integers(0, 9)))
def doubles_twice(prog: Program, number: int, spoilt: list[int]) -> None:
    spoilt.append(1)
    prog.expect.call("buffer", number, len(spoilt), returns=number * 2)


def twice_the_first(request: RunRequest, limit: int = 1 << 20) -> Evidence:
    """A function that doubles its first argument, below a limit."""
    assert request.call is not None
    value = request.call.arguments[0].value
    return Evidence(call=CallEvidence(True, rax=value * 2 if value < limit else 7))


def test_inputs_that_all_passed_are_tried_again_first() -> None:
    first, second, other = (program(twice_the_first, seed) for seed in (3, 3, 4))
    for prog in (first, second, other):
        doubles_twice(prog)
    assert first.requests == second.requests
    assert set(first.requests) != set(other.requests)


def test_a_failure_after_a_pass_is_the_one_that_a_first_try_finds() -> None:
    def failure(seed: int) -> tuple[object, list[RunRequest]]:
        prog = program(lambda request: twice_the_first(request, 5_000), seed)
        with pytest.raises(Failure) as caught:
            doubles_twice(prog)
        return vars(caught.value), list(prog.requests)

    before = failure(5)
    doubles_twice(program(twice_the_first, 5))
    assert failure(5) == before


def test_inputs_that_draw_more_when_they_are_used_are_drawn_anew() -> None:
    seen: list[int] = []

    @check("draws inside")
    @given(strategies.builds(lambda number: [number, object()], strategies.integers(0, 9)))
    def draws(prog: Program, drawn: list[object]) -> None:
        seen.append(id(drawn[1]))

    prog = program(doubled)
    draws(prog)
    count = len(seen)
    draws(prog)
    assert len(seen) == 2 * count
