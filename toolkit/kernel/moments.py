"""Moments: points of a run at which observers see the stopped process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Process, Thread

Kind = Literal["start", "exit", "syscall", "label", "step"]


@dataclass(frozen=True, slots=True)
class Moment:
    """`start`: before the first instruction; `exit`: just before the end, also of a killed process;
    `syscall:NAME[:N]`: the N-th call of NAME is about to be carried out; `label:NAME[:N]`: the N-th time the symbol's
    instruction is about to run (`label:0x401000`: the one at an address); `step:N`: N instructions were executed.
    Only the main process counts. With count 0, which no text makes, every arrival is a moment.
    """

    kind: Kind
    name: str = ""
    count: int = 1

    @staticmethod
    def parse(text: str) -> Moment:
        """Read a moment as the command line writes it. Raises ValueError, saying what is wrong."""
        kind, _, rest = text.partition(":")
        if kind in ("start", "exit") and not rest:
            return Moment("start" if kind == "start" else "exit")
        if kind == "step":
            return Moment("step", count=positive(rest, text))
        if kind in ("syscall", "label") and rest:
            name, colon, number = rest.rpartition(":")
            if not colon or not number.isdecimal():
                name, number = rest, "1"
            if name.startswith("0x"):
                hexadecimal(
                    name, text
                )  # a label can't begin with a digit (nasm manual 3.1): this is an address
            return Moment("syscall" if kind == "syscall" else "label", name, positive(number, text))
        raise ValueError(
            f"'{text}' is no moment: write start, exit, syscall:NAME[:N], label:NAME[:N] or step:N"
        )

    def __str__(self) -> str:
        if self.kind in ("start", "exit"):
            return self.kind
        if self.kind == "step":
            return f"step:{self.count}"
        return f"{self.kind}:{self.name}" + (f":{self.count}" if self.count > 1 else "")


START, EXIT = Moment("start"), Moment("exit")


def positive(number: str, text: str) -> int:
    """A count of at least 1."""
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"'{text}': '{number}' is no number of 1 or more")
    return int(number)


def hexadecimal(number: str, text: str) -> int:
    """An address, ``0x…``."""
    try:
        return int(number, 16)
    except ValueError:
        raise ValueError(f"'{text}': '{number}' is no address") from None


@dataclass(slots=True)
class Stop:
    """What an observer is given: the process as it stands, and ways to act on it from outside."""

    kernel: Kernel
    process: Process
    thread: Thread
    moment: Moment

    @property
    def registers(self) -> dict[str, int]:
        """The general registers, RIP and RFLAGS by name."""
        return self.kernel.machine.registers.as_dict()

    @property
    def instructions(self) -> int:
        """Instructions executed so far (exact when the run has a budget)."""
        return self.kernel.instructions

    def maps(self) -> bytes:
        """What /proc/PID/maps would show now."""
        return self.kernel.render_maps(self.process)

    def read(self, address: int, count: int) -> bytes:
        """Bytes of the program's memory. SyscallError(EFAULT) where nothing can be read."""
        return self.thread.memory.read(address, count)

    def send_signal(self, signal: int) -> None:
        """As `kill` from another terminal."""
        self.kernel.send_signal(signal, self.process)

    def finish(self) -> None:
        """End the run here, with nothing sent to the program: `Ending.FINISHED`."""
        self.kernel.finish()


Observer = Callable[[Stop], None]


class Moments:
    """The observers of one run, arranged so that a run without them pays nothing."""

    def __init__(self) -> None:
        self.start: list[tuple[Moment, Observer]] = []
        self.exit: list[tuple[Moment, Observer]] = []
        self.syscalls: dict[str, list[tuple[Moment, Observer]]] = {}
        self.labels: dict[str, list[tuple[Moment, Observer]]] = {}
        self.steps: list[tuple[int, Moment, Observer]] = []
        self.seen: dict[str, int] = {}
        self.reached: set[Moment] = set()
        self._uncounted: set[str] = set()

    def add(self, moment: Moment, observer: Observer) -> None:
        """Register an observer. ValueError for the N-th arrival at a label whose arrivals are no longer counted."""
        if moment.kind == "label" and moment.count and moment.name in self._uncounted:
            raise ValueError(f"the arrivals at {moment.name} are no longer counted")
        match moment.kind:
            case "start":
                self.start.append((moment, observer))
            case "exit":
                self.exit.append((moment, observer))
            case "syscall":
                self.syscalls.setdefault(moment.name, []).append((moment, observer))
            case "label":
                self.labels.setdefault(moment.name, []).append((moment, observer))
            case "step":
                self.steps.append((moment.count, moment, observer))
                self.steps.sort(key=lambda step: step[0])

    def due(
        self, table: dict[str, list[tuple[Moment, Observer]]], prefix: str, name: str
    ) -> list[tuple[Moment, Observer]]:
        """Count one more arrival at a name and return the observers whose turn it is."""
        key = prefix + name
        self.seen[key] = count = self.seen.get(key, 0) + 1
        return [(moment, observer) for moment, observer in table.get(name, ()) if moment.count in (0, count)]

    def take_finished_label(self, name: str) -> bool:
        """Whether none of the label's moments is still to come: then its observers are gone, and arrivals are not counted any more."""
        seen = self.seen.get(f"label:{name}", 0)
        if any(not moment.count or moment.count > seen for moment, _ in self.labels.get(name, ())):
            return False
        self.labels.pop(name, None)
        self._uncounted.add(name)
        return True
