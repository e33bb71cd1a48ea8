"""What a person sees of a run at one position: a record, so that two of them can be compared and shown without the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.debug.effects import Effect, effect_of
from toolkit.debug.operands import Names, Read, decode

if TYPE_CHECKING:
    from toolkit.debug.timeline import Timeline
    from toolkit.kernel.fs.files import OpenFile
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.mm.snapshot import AreaRow
    from toolkit.kernel.moments import Stop
    from toolkit.kernel.outcome import Outcome

LONGEST_INSTRUCTION = 15  # bytes (Intel SDM vol. 2, 2.3.11)
STACK_SHOWN = 64  # words above the stack pointer
MEMORY_SHOWN = 64  # rows of 16 bytes
CALLS_SHOWN = 64
OUTPUT_SHOWN = 400  # pieces of output: one for each write


@dataclass(frozen=True)
class Surroundings:
    """The memory that is shown: areas, the stack from its pointer on, and the rows that are watched (None: unreadable)."""

    areas: tuple[AreaRow, ...] = ()
    stack: tuple[int | None, ...] = ()
    watched: int = 0
    memory: tuple[bytes | None, ...] = ()


@dataclass
class Run:
    """One run from its start: the kernel, what is given to the program and what comes out of it."""

    kernel: Kernel
    given: bytes
    """All of its standard input."""
    fate: Callable[[Outcome], list[str]]
    """How the run ended and why, in lines."""
    output: list[tuple[int, bytes]] = field(default_factory=list)
    """Descriptor and bytes of each write, in order."""
    stdin: OpenFile | None = None
    last: Surroundings = Surroundings()
    """As they were just before the end."""

    @property
    def taken(self) -> int:
        """Bytes of standard input that were read."""
        return 0 if self.stdin is None else self.stdin.position


@dataclass(frozen=True)
class Sight:
    """The state at one position."""

    position: int
    thread: str
    """Who runs next, empty while there is only one."""
    bits: int
    registers: Mapping[str, int]
    surroundings: Surroundings
    effect: Effect | None
    """Of the instruction at rip; None where there is none, and at the end."""
    calls: tuple[str, ...]
    """The last of them, as strace prints them."""
    calls_made: int
    output: tuple[tuple[int, bytes], ...]
    given: bytes
    taken: int
    fate: tuple[str, ...] = ()
    """Empty while the program runs."""

    @property
    def ended(self) -> bool:
        return bool(self.fate)


def look(timeline: Timeline, run: Run, watch: Callable[[Mapping[str, int]], int], names: Names) -> Sight:
    """What is to be seen now. ``watch`` gives the address of the memory that is watched."""
    registers, outcome = timeline.registers, timeline.outcome
    process = timeline.thread.process
    bits = process.personality.bits
    if outcome is None:
        registers = {**registers, "fs_base": timeline.kernel.machine.fs_base}
        surroundings = surround(timeline.thread.memory, registers, bits, watch)
        code = timeline.read(registers["rip"], LONGEST_INSTRUCTION)
        effect = effect_at(
            code or _short(timeline.read, registers["rip"]), registers, timeline.read, names, bits
        )
    else:
        surroundings, effect = run.last, None
    return Sight(
        timeline.position,
        _thread(timeline),
        bits,
        registers,
        surroundings,
        effect,
        *_calls(timeline),
        tuple(run.output[-OUTPUT_SHOWN:]),
        run.given,
        run.taken,
        () if outcome is None else tuple(run.fate(outcome)),
    )


def effect_at(
    code: bytes, registers: Mapping[str, int], read: Read, names: Names, bits: int
) -> Effect | None:
    """What the instruction at rip does; None when it can't be decoded."""
    instruction = decode(code, registers, read, names, bits)
    return None if instruction is None else effect_of(instruction)


def _short(read: Read, address: int) -> bytes:
    """The bytes up to the end of a page behind which nothing can be read."""
    return read(address, min(LONGEST_INSTRUCTION, 4096 - (address & 4095))) or b""


def watch_the_end(run: Run, watch: Callable[[Mapping[str, int]], int]) -> None:
    """Have the run keep its surroundings as they are just before its end."""

    def note(stop: Stop) -> None:
        registers = stop.registers
        run.last = surround(stop.process.memory, registers, stop.process.personality.bits, watch)

    run.kernel.at("exit", note)


def surround(
    space: object, registers: Mapping[str, int], bits: int, watch: Callable[[Mapping[str, int]], int]
) -> Surroundings:
    """The memory around a stopped process."""
    from toolkit.kernel.mm.snapshot import take_snapshot
    from toolkit.kernel.mm.space import AddressSpace

    assert isinstance(space, AddressSpace)
    size, top, address = bits // 8, registers["rsp"], watch(registers)
    words = (space.peek(top + index * size, size) for index in range(STACK_SHOWN))
    rows = tuple(space.peek(address + index * 16, 16) for index in range(MEMORY_SHOWN))
    return Surroundings(
        take_snapshot(space, pages=False).areas,
        tuple(None if each is None else int.from_bytes(each, "little") for each in words),
        address,
        rows,
    )


def _thread(timeline: Timeline) -> str:
    processes = [each for each in timeline.kernel.processes.all() if not each.dead]
    if len(processes) < 2 and sum(len(each.threads) for each in processes) < 2:
        return ""
    return f"process {timeline.thread.process.pid}, thread {timeline.thread.tid}"


def _calls(timeline: Timeline) -> tuple[tuple[str, ...], int]:
    from toolkit.views.activity import render_trace

    trace = timeline.kernel.trace
    return tuple(render_trace(trace[-CALLS_SHOWN:]).splitlines()), len(trace)
