"""``run.expect.…``: what a run must have done. Each expectation raises ``Failure`` when it is not met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from toolkit.grading.areas import AreaPattern, closest, map_difference, map_line, normalise_line
from toolkit.grading.arrays import show_both
from toolkit.grading.categories import Category
from toolkit.grading.checks import Failure, GraderError, Regex, show_around, show_bytes, shown
from toolkit.grading.evidence import Evidence, Location, RunRequest, SyscallRecord
from toolkit.grading.explain import explain_fate, failed_calls
from toolkit.grading.program import Run, as_bytes, describe_moment
from toolkit.grading.wording import (
    describe_call,
    first_difference,
    show_areas,
    show_calls,
    show_difference,
    show_number,
    show_place,
)

if TYPE_CHECKING:
    from toolkit.kernel.mm.snapshot import AreaRow


def ending(evidence: Evidence) -> str:
    """How a run ended, in words."""
    if evidence.cut_short:
        return describe_cut(evidence) + _where(evidence.last_location)
    if evidence.signal is not None:
        from toolkit.abi.signals import Signal

        return f"killed by {evidence.signal} (exit status {128 + Signal[evidence.signal]})"
    return f"exit status {evidence.exit_code}"


def describe_cut(evidence: Evidence) -> str:
    """Why a run was ended from outside, in words."""
    return {
        "budget": f"still running after {evidence.instructions:,} instructions",
        "events": f"still running after {evidence.most_events:,} system calls, faults, signals and changes of code"
        f" (and {evidence.instructions:,} instructions)",
        "output": f"still printing after {len(evidence.stdout) + len(evidence.stderr):,} bytes of output",
        "deadlock": "waiting for ever: " + "; ".join(evidence.waiting),
    }.get(evidence.cut_short, evidence.cut_short)


def _where(location: Location | None) -> str:
    return f", at {location}" if location is not None else ""


class RunExpectations:
    """The vocabulary of README.md for one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._evidence = run.evidence

    # -- how it ended ------------------------------------------------------------------------------------------

    def exit(self, code: int) -> None:
        """It ended by itself with this exit status (0 to 255)."""
        if not 0 <= code <= 255:
            raise GraderError(f"exit({code}): an exit status is 0 to 255")
        self._finished(f"exit status {code}")
        if self._evidence.exit_code != code:
            self._wrong_end(f"exit status {code}")

    def signal(self, name: str | None) -> None:
        """It was killed by this signal, by name; ``None``: by none."""
        from toolkit.abi.signals import Signal

        if name is None:
            if self._evidence.signal is not None:
                self._wrong_end("not killed by a signal")
            return

        if name not in Signal.__members__:
            raise GraderError(f"signal({name!r}): no such signal")
        expected = f"killed by {name} (exit status {128 + Signal[name]})"
        self._finished(expected)
        if self._evidence.signal != name:
            self._wrong_end(expected)

    def fault(
        self,
        access: str | None = None,
        address: int | range | str | None = None,
        label: str | None = None,
    ) -> None:
        """It died of a memory fault: this access, at this address (number, range, symbol), by the instruction at ``label``."""
        if access not in (None, "read", "write", "execute"):
            raise GraderError(f"fault(access={access!r}): read, write or execute")
        wanted = self._run.symbol(address) if isinstance(address, str) else address
        expected = "a fault" if access is None else f"a fault on {_ACCESS[access]}"
        if wanted is not None:
            expected += f" {show_place(wanted)}"
        self._finished(expected)
        fault = self._evidence.fault
        if fault is None or fault.access is None:
            self._wrong_end(expected)
        actual = f"a fault on {_ACCESS[fault.access]} {show_place(fault.address)}"
        right = (access is None or fault.access == access) and (
            wanted is None
            or (fault.address in wanted if isinstance(wanted, range) else fault.address == wanted)
        )
        if not right:
            self._fail(Category.ENDING, "the fault is another one", expected, actual, explain=True)
        if label is not None and fault.registers["rip"] != self._run.symbol(label):
            self._fail(
                Category.ENDING,
                "another instruction faults",
                f"the one at {label}",
                f"the one at {fault.location}",
                explain=True,
            )

    def killed_by(self, label: str) -> None:
        """It was killed by the instruction at ``label``; behind a trap (SIGTRAP) rip stands one byte further."""
        fault, wanted = self._evidence.fault, self._run.symbol(label)
        expected = f"killed by the instruction at {label}"
        self._finished(expected)
        if fault is None:
            self._wrong_end(expected)
        if fault.registers["rip"] - (fault.signal == "SIGTRAP") != wanted:
            self._fail(
                Category.ENDING,
                f"another instruction kills the program than the one at {label}",
                f"the one at {label} ({wanted:#x})",
                f"the one at {fault.location or 'no line of yours'} (rip = {fault.registers['rip']:#x})",
                explain=True,
            )

    # -- what it wrote -----------------------------------------------------------------------------------------

    def stdout(
        self, expected: str | bytes | Regex | None = None, *, contains: str | bytes | Regex | None = None
    ) -> None:
        """Standard output, to the byte, or what is somewhere in it."""
        self._text("standard output", self._evidence.stdout, expected, contains)

    def stderr(
        self, expected: str | bytes | Regex | None = None, *, contains: str | bytes | Regex | None = None
    ) -> None:
        """Standard error, likewise."""
        self._text("standard error", self._evidence.stderr, expected, contains)

    def file(
        self,
        name: str,
        expected: str | bytes | Regex | None = None,
        *,
        contains: str | bytes | Regex | None = None,
    ) -> None:
        """A file in the program's directory afterwards; ``None``: that it doesn't exist."""
        data = self._evidence.files.get(name)
        if expected is None and contains is None:
            if data is not None:
                self._fail(Category.OUTPUT, f"{name} exists", f"no file {name}", show_bytes(data))
            return
        if data is None:
            self._fail(Category.OUTPUT, f"{name} does not exist", f"a file {name}", "no such file")
        self._text(name, data, expected, contains)

    def _text(
        self,
        what: str,
        data: bytes,
        expected: str | bytes | Regex | None,
        contains: str | bytes | Regex | None,
    ) -> None:
        if (expected is None) == (contains is None):
            raise GraderError(f"{what}: give either what it is or contains=")
        if contains is not None:
            wanted = contains if isinstance(contains, Regex) else as_bytes(contains)
            found = wanted.pattern.search(data) if isinstance(wanted, Regex) else wanted in data
            if not found:
                self._fail(
                    Category.OUTPUT,
                    f"{what} does not contain what it should",
                    shown(wanted),
                    show_around(data, 0),
                )
            return
        assert expected is not None
        wanted = expected if isinstance(expected, Regex) else as_bytes(expected)
        same = wanted.pattern.fullmatch(data) if isinstance(wanted, Regex) else wanted == data
        if not same:
            offset = 0 if isinstance(wanted, Regex) else first_difference(wanted, data)
            self._fail(
                Category.OUTPUT,
                f"{what} differs{show_difference(wanted, data)}{self._nothing_written(what, data)}",
                shown(wanted) if isinstance(wanted, Regex) else show_around(wanted, offset),
                show_around(data, offset),
            )

    def _nothing_written(self, what: str, data: bytes) -> str:
        if data or what != "standard output" or self._evidence.exit_code is None:
            return ""
        if self._evidence.stderr:
            return "; something was written to the standard error"
        made = {call.name for call in self._evidence.syscalls}
        return "" if made & _WRITING else "; the program never called write"

    # -- the map -----------------------------------------------------------------------------------------------

    def area(self, at: str = "exit", count: int | None = None, **properties: Any) -> AreaRow:
        """An area of the map with these properties (README.md); the first one that has them all."""
        pattern = self._pattern(properties)
        record = self._run.moment(at)
        program = self._program_path(record.maps.areas)
        matching = [area for area in record.maps.areas if not pattern.differences(area, program)]
        if count is not None and len(matching) != count:
            self._fail(
                Category.MAP,
                f"{len(matching)} areas are like that at {describe_moment(at)}, {count} expected",
                str(pattern),
                show_areas(matching),
            )
        if matching:
            return matching[0]
        if count == 0:
            raise GraderError("area(count=0): use no_area")
        near = closest(record.maps.areas, pattern, program)
        if near is None:
            self._fail(
                Category.MAP,
                f"the map at {describe_moment(at)} has no such area",
                str(pattern),
                show_areas(record.maps.areas),
            )
        words = "; ".join(pattern.differences(near, program))
        self._fail(
            Category.MAP,
            f"the area at {describe_moment(at)} is not right: {words}",
            str(pattern),
            map_line(near),
        )

    def no_area(self, at: str = "exit", **properties: Any) -> None:
        """No area of the map has all these properties."""
        pattern = self._pattern(properties)
        areas = self._run.moment(at).maps.areas
        program = self._program_path(areas)
        matching = [area for area in areas if not pattern.differences(area, program)]
        if matching:
            self._fail(
                Category.MAP,
                f"the map at {describe_moment(at)} has an area that should not be there",
                f"no area: {pattern}",
                show_areas(matching),
            )

    def maps(self, expected: str | Iterable[str], at: str = "exit") -> None:
        """The whole map, line for line, but for device, inode and the directories of paths."""
        lines = expected.splitlines() if isinstance(expected, str) else list(expected)
        wanted = [normalise_line(line) for line in lines if line.strip()]
        difference = map_difference(wanted, self._run.moment(at).maps.areas)
        if difference:
            self._fail(
                Category.MAP,
                f"the map at {describe_moment(at)} differs",
                "\n".join(wanted),
                "\n".join(difference),
            )

    def _pattern(self, properties: dict[str, Any]) -> AreaPattern:
        unknown = properties.keys() - AreaPattern.__dataclass_fields__.keys()
        if unknown:
            raise GraderError(f"an area has no {', '.join(sorted(unknown))}")
        if isinstance(properties.get("contains"), str):
            properties["contains"] = self._run.symbol(properties["contains"])
        return AreaPattern(**properties)

    def _program_path(self, areas: Sequence[AreaRow]) -> str:
        name = self._run.program.name
        return next(
            (area.name for area in areas if area.name.startswith("/") and area.name.endswith("/" + name)),
            name,
        )

    # -- what it did on the way --------------------------------------------------------------------------------

    def syscall(
        self,
        name: str,
        args: Sequence[object] = (),
        result: int | None = None,
        error: str | None = None,
        succeeds: bool = False,
        times: int | None = None,
    ) -> None:
        """It called ``name`` with these properties: at least once, or exactly ``times`` times."""
        calls = [call for call in self._evidence.syscalls if call.name == name]
        fitting = [call for call in calls if _call_fits(call, args, result, error, succeeds)]
        if (times is None and fitting) or (times is not None and len(fitting) == times):
            return
        wanted = describe_call(name, args, result, error, succeeds)
        if times is not None:
            self._fail(
                Category.CALLS,
                f"{name} was called so {len(fitting)} time{'s' * (len(fitting) != 1)}, {times} expected",
                wanted,
                show_calls(calls),
            )
        if not calls:
            made = ", ".join(dict.fromkeys(call.name for call in self._evidence.syscalls)) or "none"
            self._fail(
                Category.CALLS, f"the program never called {name}", wanted, f"system calls made: {made}"
            )
        self._fail(
            Category.CALLS,
            f"{name} was not called so",
            wanted,
            show_calls(calls),
            location=calls[-1].location,
        )

    def no_syscall(self, *names: str) -> None:
        """It never called any of these."""
        for call in self._evidence.syscalls:
            if call.name in names:
                self._fail(
                    Category.CALLS,
                    f"the program called {call.name}",
                    f"no {call.name}",
                    show_calls([call]),
                    location=call.location,
                )

    def register(self, name: str, value: int, at: str = "exit") -> None:
        """A register's value at a moment; parts of a register (``eax``, ``al``) by their names."""
        from toolkit.grading.registers import read_register

        record = self._run.moment(at)
        actual, bits = read_register(record.registers, name)
        if actual != value & ((1 << bits) - 1):
            self._fail(
                Category.STATE,
                f"{name} is wrong at {describe_moment(at)}",
                show_number(value),
                show_number(actual),
                location=record.location,
            )

    def memory(self, where: str | int, expected: str | bytes, at: str = "exit") -> None:
        """The bytes at a symbol, ``symbol+number`` or an address."""
        wanted = expected if isinstance(expected, bytes) else as_bytes(expected)
        actual = self._run.memory(where, len(wanted), at)
        if actual != wanted:
            place = where if isinstance(where, str) else f"{where:#x}"
            self._fail(
                Category.STATE,
                f"memory at {place} is wrong at {describe_moment(at)}",
                *show_both(wanted, actual),
            )

    def label(self, name: str, times: int | None = None) -> None:
        """The instruction at the label was executed: at least once, or exactly ``times`` times."""
        if times is None or times > 0:
            self._run.moment(f"label:{name}" if times is None else f"label:{name}:{times}")
        if times is not None and self._run.reached(f"label:{name}:{times + 1}") is not None:
            self._fail(
                Category.COURSE,
                f"the label {name} is reached too often",
                f"{times} times",
                f"at least {times + 1} times",
            )

    def instructions(self, at_most: int | None = None, at_least: int | None = None) -> None:
        """How many instructions were executed."""
        count = self._evidence.instructions
        if at_most is not None and count > at_most:
            self._fail(
                Category.COURSE,
                "the program executes too many instructions",
                f"at most {at_most:,}",
                f"{count:,}",
            )
        if at_least is not None and count < at_least:
            self._fail(
                Category.COURSE,
                "the program executes too few instructions",
                f"at least {at_least:,}",
                f"{count:,}",
            )

    # -- saying it ---------------------------------------------------------------------------------------------

    def _finished(self, expected: str) -> None:
        if self._evidence.cut_short:
            self._fail(
                Category.ENDLESS,
                f"the program does not end: {describe_cut(self._evidence)}",
                expected,
                ending(self._evidence),
                location=self._evidence.last_location,
            )

    def _wrong_end(self, expected: str) -> NoReturn:
        self._fail(
            Category.ENDING, "the program ends otherwise", expected, ending(self._evidence), explain=True
        )

    def _fail(
        self,
        category: Category,
        message: str,
        expected: str,
        actual: str,
        *,
        location: Location | None = None,
        explain: bool = False,
    ) -> NoReturn:
        evidence = self._evidence
        died = evidence.signal is not None and evidence.fault is not None
        if location is None and (explain or died):
            location = evidence.fault.location if evidence.fault is not None else evidence.last_location
        explanation: Sequence[str] = explain_fate(evidence) if died else ()
        if category in (Category.OUTPUT, Category.ENDING, Category.MAP, Category.STATE):
            explanation = (*_inputs(self._run.request), *explanation, *failed_calls(evidence))
        if evidence.cut_short and actual != ending(evidence):
            explanation = (
                *explanation,
                f"the run was ended: {describe_cut(evidence)}{_where(evidence.last_location)}",
            )
        raise Failure(
            message,
            expected=expected,
            actual=actual,
            location=location,
            explanation=explanation,
            category=category,
        )


def _inputs(request: RunRequest) -> tuple[str, ...]:
    """A line for what the program was given on its command line, and one for its standard input."""
    arguments = " ".join(show_bytes(each) for each in request.arguments)
    return (
        *((f"it was run with the arguments {arguments}",) if arguments else ()),
        *((f"its standard input was {show_around(request.stdin, 0)}",) if request.stdin else ()),
    )


_WRITING = frozenset({"write", "writev", "pwrite64", "pwritev", "sendfile", "splice", "tee"})
_ACCESS = {"read": "reading", "write": "writing", "execute": "executing"}


def _call_fits(
    call: SyscallRecord, args: Sequence[object], result: int | None, error: str | None, succeeds: bool
) -> bool:
    for wanted, actual in zip(args, call.arguments, strict=False):
        if wanted is None or wanted is ...:
            continue
        if not isinstance(wanted, int):
            raise GraderError(f"syscall {call.name}: argument {wanted!r} is no number")
        if (wanted - actual) % (1 << 64) and (wanted - actual) % (
            1 << 32 if call_is_32_bit(wanted, actual) else 1 << 64
        ):
            return False
    return (
        (result is None or call.result == result)
        and (error is None or call.error == error)
        and (not succeeds or call.error is None)
    )


def call_is_32_bit(wanted: int, actual: int) -> bool:
    """An int argument such as -1 may stand in a register as 0xffffffff: the kernel looks at its low half only."""
    return wanted < 0 and actual < 1 << 32
