"""Calling one function of a program, held to the System V ABI (README.md, "Calling a function").

The program is loaded as ever; before its first instruction the registers and the stack are set as a caller would,
each buffer so that it ends where an unmapped page begins, and the return address is one that nothing is mapped at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn, TypeVar

from toolkit.grading.arrays import show_both, show_data
from toolkit.grading.calling import argument_name
from toolkit.grading.categories import Category
from toolkit.grading.checks import Failure, GraderError, Regex, show_around, show_bytes, shown
from toolkit.grading.evidence import CallArgument, CallEvidence, CallRequest, Evidence, RunRequest
from toolkit.grading.explain import explain_fate, failed_calls

if TYPE_CHECKING:
    from toolkit.grading.program import Program

Argument = int | bytes | bytearray
Judged = TypeVar("Judged")
MASK = (1 << 64) - 1
LOWEST_ADDRESS = 0x10000  # a symbol below is a constant
CONVENTION = (
    "What belongs to the caller comes back as it was: push rbx, rbp, r12 to r15 before you use them and pop them in the"
    " opposite order. At a call of yours rsp is a multiple of 16; it is 8 away from one when a function begins: one push"
    " or sub rsp, 8 brings it there. Write only into your own buffers and stack."
)


@dataclass(frozen=True)
class CallResult:
    """What a call that came back left: ``rax`` and ``rdx`` unsigned, ``buffers`` by the argument's index."""

    rax: int
    rdx: int
    buffers: dict[int, bytes]
    stdout: bytes
    instructions: int
    label_count: int
    addresses: dict[int, int]
    signal: str | None = None

    def __int__(self) -> int:
        return self.rax

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return self.rax == other & MASK
        return NotImplemented if not isinstance(other, CallResult) else vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.rax, self.rdx, self.stdout))


@dataclass(frozen=True)
class CallExpectation:
    """What ``expect.call`` holds a call to; ``None`` leaves it open."""

    returns: int | tuple[int, ...] | None = None
    after: dict[int, bytes] = field(default_factory=dict)
    stdout: str | bytes | Regex | None = None
    exits: int | None = None
    instructions_at_most: int | None = None


@dataclass(frozen=True)
class _Call:
    """One call to make: what the failure messages and the requests are made of."""

    program: Program
    function: str
    arguments: Sequence[Argument]
    stdin: bytes = b""
    count_label: str | None = None
    budget: int | None = None
    keep_red_zone: bool = False

    @property
    def text(self) -> str:
        return show_call(self.function, self.arguments, self.program.symbols)

    @property
    def text_with_input(self) -> str:
        return self.text + (f" with standard input {show_bytes(self.stdin)}" if self.stdin else "")


def call(
    program: Program,
    function: str,
    arguments: Sequence[Argument],
    stdin: bytes,
    count_label: str | None,
    budget: int | None,
) -> CallResult:
    """Make a call. Raises Failure when it did not come back, or did not hold to the ABI."""
    made = _Call(program, function, arguments, stdin, count_label, budget)
    return _or_blame_the_red_zone(made, _result)


def expect_call(
    program: Program, function: str, arguments: Sequence[Argument], stdin: bytes, expected: CallExpectation
) -> CallResult | None:
    """Make a call and compare. Raises Failure."""
    made = _Call(program, function, arguments, stdin)
    return _or_blame_the_red_zone(made, lambda each: _compare(each, expected))


def _or_blame_the_red_zone(made: _Call, judge: Callable[[_Call], Judged]) -> Judged:
    """``judge`` the call. One that fails, but holds when inner calls leave the bytes below rsp alone, relied on them."""
    try:
        return judge(made)
    except Failure as failure:
        outcome = _run(made).call
        if outcome is None or not outcome.calls or not _holds(replace(made, keep_red_zone=True), judge):
            raise
        raise Failure(
            f"{made.text} keeps something below rsp over a call: the red zone lasts only until the next call"
            f" ({failure.message})",
            expected=failure.expected,
            actual=failure.actual,
            help="Make room with sub rsp (or push) before a call; what lies below rsp then belongs to the callee.",
            location=failure.location,
            explanation=failure.explanation,
            category=Category.RESULT,
        ) from None


def _holds(made: _Call, judge: Callable[[_Call], object]) -> bool:
    try:
        judge(made)
    except Failure:
        return False
    return True


def _result(made: _Call) -> CallResult:
    evidence = _run(made)
    outcome = evidence.call
    if outcome is None or not outcome.returned:
        _did_not_return(made.text, evidence)
    if outcome.violations:
        raise Failure(
            f"{made.text} breaks the calling convention: {'; '.join(outcome.violations)}",
            help=CONVENTION,
            category=Category.RESULT,
        )
    return CallResult(
        outcome.rax,
        outcome.rdx,
        outcome.buffers,
        evidence.stdout,
        evidence.instructions,
        outcome.label_count,
        outcome.addresses,
    )


def _compare(made: _Call, expected: CallExpectation) -> CallResult | None:
    if expected.exits is not None:
        _expect_exit(made, expected.exits)
        return None
    result = _result(made)
    if expected.returns is not None:
        _compare_result(made, expected.returns, result)
    for index, wanted in expected.after.items():
        if index not in result.buffers:
            raise GraderError(f"{made.text_with_input}: argument {index} is no buffer")
        if result.buffers[index] != wanted:
            _fail(
                f"{made.text_with_input} leaves the wrong bytes in {argument_name(index)}",
                *show_both(wanted, result.buffers[index]),
            )
    if expected.stdout is not None and not _text_fits(expected.stdout, result.stdout):
        raise Failure(
            f"{made.text_with_input} prints the wrong text",
            expected=shown(expected.stdout),
            actual=show_around(result.stdout, 0),
            explanation=failed_calls(_run(made)),
            category=Category.RESULT,
        )
    most = expected.instructions_at_most
    if most is not None and result.instructions > most:
        _fail(
            f"{made.text_with_input} executes too many instructions",
            f"at most {most:,}",
            f"{result.instructions:,}",
        )
    return result


def _expect_exit(made: _Call, code: int) -> None:
    evidence = _run(made)
    if evidence.call is not None and evidence.call.returned:
        _fail(
            f"{made.text_with_input} comes back", f"exit status {code}", "the function returned to its caller"
        )
    if evidence.exit_code is None:
        _did_not_return(made.text_with_input, evidence)
    if evidence.exit_code != code & 0xFF:
        _fail(
            f"{made.text_with_input} ends the program with the wrong status",
            f"exit status {code}",
            f"exit status {evidence.exit_code}",
        )


def _run(made: _Call) -> Evidence:
    program = made.program
    program.symbols[made.function]
    if made.count_label is not None:
        program.symbols[made.count_label]
    arguments = tuple(_argument(each) for each in made.arguments)
    return program.evidence(
        RunRequest(
            build=program.build_request,
            stdin=made.stdin,
            files=program.options.files,
            seed=program.options.seed,
            budget=program.options.budget if made.budget is None else made.budget,
            events=program.options.events,
            moments=(),
            call=CallRequest(made.function, arguments, made.count_label, made.keep_red_zone),
        )
    )


def _argument(value: Argument) -> CallArgument:
    if isinstance(value, (bytes, bytearray)):
        return CallArgument(data=bytes(value), writable=isinstance(value, bytearray))
    if isinstance(value, int) and -(1 << 63) <= value <= MASK:
        return CallArgument(value=value & MASK if value >= 0 else value)
    raise GraderError(f"{value!r} can't be an argument: an integer of 64 bits, bytes or a bytearray")


def show_call(function: str, arguments: Sequence[Argument], symbols: Mapping[str, int]) -> str:
    """A call as the report writes it: ``string_length("abc\\0")``; an address that has a name by its name."""
    names = {address: name for name, address in symbols.items() if address >= LOWEST_ADDRESS}
    words = [
        show_data(each) if isinstance(each, (bytes, bytearray)) else names.get(each, str(each))
        for each in arguments
    ]
    return f"{function}({', '.join(words)})"


def _compare_result(made: _Call, returns: int | tuple[int, ...], result: CallResult) -> None:
    wanted = returns if isinstance(returns, tuple) else (returns,)
    for name, value, actual in zip(("rax", "rdx"), wanted, (result.rax, result.rdx), strict=False):
        if actual != value & MASK:
            _fail(
                f"{made.text_with_input} returns the wrong {name}",
                f"{name} = {_number(value)}",
                f"{name} = {_number(actual, value < 0)}",
            )


def _number(value: int, signed: bool = False) -> str:
    shown_value = value - (1 << 64) if signed and value >> 63 == 1 else value
    return f"{shown_value} ({value & MASK:#x})"


def _text_fits(expected: str | bytes | Regex, actual: bytes) -> bool:
    if isinstance(expected, Regex):
        return expected.pattern.fullmatch(actual) is not None
    return (expected.encode() if isinstance(expected, str) else expected) == actual


def _did_not_return(text: str, evidence: Evidence) -> NoReturn:
    from toolkit.grading.expectations import ending

    if evidence.exit_code is not None:
        raise Failure(
            f"{text} ends the program instead of returning",
            expected="the function returns to its caller",
            actual=ending(evidence),
            location=evidence.last_location,
            category=Category.ENDING,
        )
    location = evidence.fault.location if evidence.fault is not None else evidence.last_location
    explanation = explain_fate(evidence) + _guarded(evidence) + _unbalanced(text.split("(")[0], evidence)
    raise Failure(
        f"{text} does not come back",
        expected="the function returns to its caller",
        actual=ending(evidence),
        location=location,
        explanation=explanation,
        category=Category.ENDLESS if evidence.cut_short else Category.ENDING,
    )


def _guarded(evidence: Evidence) -> tuple[str, ...]:
    """A word on a fault just behind a buffer: it is where the next page begins, but what was touched may begin before."""
    outcome, fault = evidence.call, evidence.fault
    if outcome is None or fault is None or fault.address is None:
        return ()
    for index, address in outcome.addresses.items():
        end = address + len(outcome.buffers.get(index, b""))
        if end <= fault.address < end + 4096:
            beyond = fault.address - end + 1
            size = len(outcome.buffers.get(index, b""))
            return (
                f"{argument_name(index)} has {size} byte{'s' * (size != 1)}, the last one at {end - 1:#x}:"
                f" this is {beyond} byte{'s' * (beyond > 1)} too far",
            )
    return ()


def _unbalanced(function: str, evidence: Evidence) -> tuple[str, ...]:
    """A word on a return that took something else than the return address from the stack."""
    from toolkit.grading.explain import last_was_return

    off = 0 if evidence.call is None else evidence.call.stack
    if evidence.fault is None or not last_was_return(evidence.fault):
        return ()
    if evidence.fault.access == "execute":
        off -= 8  # the return took its address
    if off == 0:
        return ()
    remedy = "what is pushed must be popped before ret" if off < 0 else "more was popped than pushed"
    return (
        f"rsp is {abs(off)} bytes {'lower' if off < 0 else 'higher'} than when {function} was called: {remedy}",
    )


def _fail(message: str, expected: str, actual: str) -> NoReturn:
    raise Failure(message, expected=expected, actual=actual, category=Category.RESULT)


__all__ = ["CallEvidence", "CallExpectation", "CallResult", "call", "expect_call", "show_call"]
