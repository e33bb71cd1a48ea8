"""A timeline for a person: commands in, text out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from toolkit.debug.timeline import Movement, Timeline, finish_unless
from toolkit.kernel.kernel import Kernel
from toolkit.machine.cpu import Machine

if TYPE_CHECKING:
    from toolkit.grading.building import Built
    from toolkit.kernel.outcome import Outcome

ROWS = (
    ("rax", "rbx", "rcx", "rdx"),
    ("rsi", "rdi", "rbp", "rsp"),
    ("r8", "r9", "r10", "r11"),
    ("r12", "r13", "r14", "r15"),
)
CONTEXT = 3  # source lines shown before and behind the present one


def begin(elf: bytes, arguments: Sequence[str], stdin: bytes = b"", seed: int = 0) -> Timeline:
    """A timeline of a program on a machine of its own."""
    machine = Machine()

    def start() -> Kernel:
        kernel = Kernel(machine, seed=seed)
        kernel.spawn(elf, list(arguments), name=arguments[0].removeprefix("./"), stdin=stdin)
        return kernel

    return Timeline(start)


class Stepper:
    """Obeys one command at a time and says where the program is then.

    ``fate`` tells how a run ended, ``output`` what it printed so far; ``stopped``, set meanwhile, ends a long movement.
    """

    def __init__(
        self,
        timeline: Timeline,
        built: Built,
        fate: Callable[[Outcome], Sequence[str]] | None = None,
        output: Callable[[], bytes] | None = None,
    ) -> None:
        self.timeline = timeline
        self.stopped = False
        self._built = built
        self._fate = fate or ending
        self._printed = output or (lambda: self.timeline.kernel.outcome().stdout)
        self._commands: dict[str, Callable[[list[str]], str]] = {
            "s": self._step,
            "b": self._back,
            "c": self._continue,
            "rc": self._reverse_continue,
            "g": self._goto,
            "r": lambda _: self.registers(),
            "x": self._memory,
            "o": lambda _: self._output(),
            "m": lambda _: self.timeline.kernel.render_maps().decode().rstrip("\n"),
        }

    def obey(self, command: str) -> str:
        """What a command gives, or what is wrong with it."""
        if not command.strip():
            return self.where()
        name, *arguments = command.split()
        action = self._commands.get(name)
        if action is None:
            return f"no command {name!r}; there are {', '.join(self._commands)} and q"
        try:
            return action(arguments)
        except (ValueError, LookupError) as error:
            return str(error).strip("'\"")

    # -- moving

    def _moved(self, movement: Movement[object]) -> str:
        self.stopped = False
        finish_unless(movement, lambda: self.stopped)
        return ("stopped on the way\n" if self.stopped else "") + self.where()

    def _step(self, arguments: list[str]) -> str:
        return self._moved(self.timeline.going_to(self.timeline.position + _count(arguments)))

    def _back(self, arguments: list[str]) -> str:
        return self._moved(self.timeline.going_back(_count(arguments)))

    def _continue(self, arguments: list[str]) -> str:
        return self._moved(self.timeline.going_forward_to({self._address(each) for each in arguments}))

    def _reverse_continue(self, arguments: list[str]) -> str:
        return self._moved(self.timeline.going_back_to({self._address(each) for each in arguments}))

    def _goto(self, arguments: list[str]) -> str:
        return self._moved(self.timeline.going_to(_count(arguments)))

    def _address(self, text: str) -> int:
        if text in self._built.symbols:
            return self._built.symbols[text]
        try:
            return int(text, 0)
        except ValueError:
            raise LookupError(f"no label {text}, and no number") from None

    # -- looking

    def where(self) -> str:
        """Position, source lines around it, and how the run has ended, if it has."""
        outcome = self.timeline.outcome
        if outcome is not None:
            how, *why = self._fate(outcome)
            return "\n".join(
                [f"after {self.timeline.position} instructions: the program has ended, {how}", *why]
            )
        rip = self.timeline.registers["rip"]
        head = f"after {self.timeline.position} instructions: rip = {rip:#x}"
        row = self._built.lines.find(rip) if self._built.lines is not None else None
        if row is None:
            return head
        lines = self._built.texts.get(row.file, [])
        first, last = max(1, row.line - CONTEXT), min(len(lines), row.line + CONTEXT)
        shown = [
            f"{'→' if number == row.line else ' '} {number:4d}  {lines[number - 1]}"
            for number in range(first, last + 1)
        ]
        return "\n".join([f"{head}  {row.file}:{row.line}", *shown])

    def registers(self) -> str:
        values = self.timeline.registers
        rows = ["  ".join(f"{name:>3} {values[name]:016x}" for name in row) for row in ROWS]
        flags = [
            name
            for bit, name in ((0, "CF"), (6, "ZF"), (7, "SF"), (10, "DF"), (11, "OF"))
            if values["rflags"] >> bit & 1
        ]
        return "\n".join([*rows, f"rip {values['rip']:016x}  flags {' '.join(flags) or '-'}"])

    def _memory(self, arguments: list[str]) -> str:
        if not arguments:
            raise LookupError("x needs an address or a label")
        address = self._address(arguments[0])
        length = min(4096, int(arguments[1], 0)) if len(arguments) > 1 else 64
        data = self.timeline.read(address, length)
        if data is None:
            return f"memory at {address:#x} can't be read"
        rows = []
        for offset in range(0, len(data), 16):
            part = data[offset : offset + 16]
            text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
            rows.append(f"{address + offset:016x}  {part.hex(' '):47}  {text}")
        return "\n".join(rows)

    def _output(self) -> str:
        text = self._printed().decode(errors="backslashreplace")
        return (
            "".join(c if c == "\n" or c.isprintable() else f"\\x{ord(c):02x}" for c in text).rstrip("\n")
            or "(nothing)"
        )


def ending(outcome: Outcome) -> list[str]:
    """How the program ended, in a few words."""
    return [f"killed by {outcome.signal_name}" if outcome.signal else f"exit status {outcome.exit_code}"]


def _count(arguments: list[str]) -> int:
    count = int(arguments[0], 0) if arguments else 1
    if count < 0:
        raise ValueError("write a number of instructions")
    return count
