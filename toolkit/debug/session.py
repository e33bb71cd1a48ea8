"""One person's way through a run: what was seen last, breakpoints, what is watched, and the movements by name.

Every movement is a `Movement`: it can be advanced in pieces, so that a screen stays alive meanwhile, and given up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from toolkit.debug.places import Listing, Places
from toolkit.debug.sight import Run, Sight, look, watch_the_end
from toolkit.debug.timeline import Movement, Timeline
from toolkit.grading.registers import PARTS, read_register

if TYPE_CHECKING:
    from toolkit.grading.building import Built
    from toolkit.kernel.kernel import Kernel

CONTINUED = 100_000_000  # instructions of one `continue` that comes to no breakpoint

Begin = Callable[[bytes], Run]
"""Starts the program anew with this standard input; nothing of it was executed."""


class Session:
    """``now`` is what is seen, ``before`` what was seen before the last movement, ``done`` what that did, in words."""

    def __init__(self, built: Built, begin: Begin, stdin: bytes = b"") -> None:
        self._begin = begin
        self._stdin = stdin
        self._watch = ""
        self.run: Run
        self.timeline = Timeline(self._start)
        self.places = Places(built, self.timeline.thread.process.load_bias)
        self.breakpoints: set[int] = set()
        self._watch = self._first_watch(built)
        self.before: Sight | None = None
        self.now = self._look()
        self.done = ""

    def close(self) -> None:
        """Leave the machine clean."""
        self.timeline.close()

    def _start(self) -> Kernel:
        self.run = self._begin(self._stdin)
        watch_the_end(self.run, self._watched)
        return self.run.kernel

    # -- looking

    def _look(self) -> Sight:
        return look(self.timeline, self.run, self._watched, self.places.name)

    def _watched(self, registers: Mapping[str, int]) -> int:
        try:
            return self.address(self._watch, registers)
        except LookupError:
            return registers["rsp"]

    def _first_watch(self, built: Built) -> str:
        """The first label of the program's data, else the stack pointer."""
        from toolkit.grading.building import sections_of

        data = [
            each for each in sections_of(built.elf or b"") if "W" in each.flags and built.lines is not None
        ]
        for section in data:
            name = self.places.name(section.address)
            if name:
                return name
        return "rsp"

    @property
    def watch(self) -> str:
        """Where the watched memory begins, as it was written: a register, a label, a number, or a sum of these."""
        return self._watch

    def address(self, text: str, registers: Mapping[str, int] | None = None) -> int:
        """The value of ``rsi``, ``table + 8``, ``0x402000`` or ``rbx - 16``. Raises LookupError with what is wrong."""
        values = self.now.registers if registers is None else registers
        total, sign = 0, 1
        for part in filter(None, re.split(r"\s*([+-])\s*", text.strip().strip("[]"))):
            if part in "+-":
                sign = 1 if part == "+" else -1
                continue
            total += sign * self._value(part, values)
            sign = 1
        if not text.strip():
            raise LookupError("write an address, a label or a register")
        return total & (1 << 64) - 1

    def _value(self, text: str, registers: Mapping[str, int]) -> int:
        if text.lower() in PARTS:
            return read_register(registers, text.lower())[0]
        if text in self.places.symbols:
            return self.places.symbols[text]
        try:
            return int(text, 0)
        except ValueError:
            raise LookupError(f"no label, register or number {text!r}") from None

    def listing(self) -> tuple[Listing, int | None]:
        """The source or disassembly around the present instruction, and its row; the row is None at no known place."""
        rip = self.now.registers["rip"]
        if self.now.ended and not self.places.location(rip):
            rip -= 1  # behind the system call that ended it
        listing = self.places.listing(rip, self.timeline.read, self.now.bits)
        row = listing.find(rip)
        if row is None and listing.numbered:
            row = self._row_of_part(listing, rip)
        return listing, row

    def _row_of_part(self, listing: Listing, rip: int) -> int | None:
        """The line of an instruction that is not the first of its line."""
        location = self.places.location(rip)
        return int(location.rpartition(":")[2]) - 1 if location else None

    # -- moving

    def step(self, count: int = 1) -> Movement[str]:
        """Execute so many instructions."""
        if self.now.ended:
            return "the program has ended; going back is possible"
        yield from self.timeline.going_to(self.timeline.position + count - 1)
        self._step_seen(self.now if count == 1 else None)
        return ""

    def back(self, count: int = 1) -> Movement[str]:
        """Go back by so many instructions, at most to the start; from the end to its last instruction."""
        if self.timeline.position == 0:
            return "this is the start"
        yield from self.timeline.going_back(count)
        return (yield from self._arrive())

    def goto(self, position: int) -> Movement[str]:
        """Go to a number of executed instructions."""
        yield from self.timeline.going_to(max(0, position))
        said = yield from self._arrive()
        return said or ("" if self.now.position == position else "the program ends before")

    def over(self) -> Movement[str]:
        """Execute an instruction; a call with all that it calls, a repeated one with all its repetitions."""
        instruction = self.now.effect.instruction if self.now.effect is not None else None
        if instruction is None or not (instruction.mnemonic == "call" or instruction.prefix):
            return (yield from self.step())
        return (yield from self._run_until(instruction.next, self.now.registers["rsp"]))

    def out(self) -> Movement[str]:
        """Execute what is left of this function, its ``ret`` included."""
        if self.now.ended:
            return (yield from self.step())
        level = self.now.registers["rsp"]
        returns = self.places.returns
        if self.now.registers["rip"] not in returns:
            said = yield from self._forward(returns, lambda registers: registers["rsp"] >= level)
            if said or self.now.registers["rip"] not in returns or self.now.registers["rsp"] < level:
                return said
        return (yield from self.step())

    def resume(self) -> Movement[str]:
        """Run to the next breakpoint, or the end."""
        return (yield from self._forward(frozenset(), lambda registers: False))

    def run_to(self, address: int) -> Movement[str]:
        """Run to an address."""
        return (yield from self._run_until(address, 0))

    def reverse(self) -> Movement[str]:
        """Go back to the last time a breakpoint was reached, else to the start."""
        if self.timeline.position == 0:
            return "this is the start"
        found = yield from self.timeline.going_back_to(self.breakpoints)
        said = yield from self._arrive()
        return said or ("" if found else "no breakpoint before: this is the start")

    def _run_until(self, address: int, level: int) -> Movement[str]:
        """Forwards to an address, with the stack pointer at least at ``level``, or to a breakpoint."""
        return (yield from self._forward({address}, lambda registers: registers["rsp"] >= level))

    def _forward(
        self, addresses: frozenset[int] | set[int], wanted: Callable[[Mapping[str, int]], bool]
    ) -> Movement[str]:
        if self.now.ended:
            return (yield from self.step())
        begun, breakpoints = self.timeline.position, frozenset(self.breakpoints)

        def counts(registers: Mapping[str, int]) -> bool:
            return registers["rip"] in breakpoints or wanted(registers)

        found = yield from self.timeline.going_forward_to(breakpoints | addresses, counts, CONTINUED)
        self._see(f"ran {self.timeline.position - begun:,} instructions")
        if found or self.now.ended:
            return ""
        return f"no breakpoint was reached in {CONTINUED:,} instructions; the same again goes on"

    def interrupted(self) -> None:
        """A movement was given up: see where that has led."""
        self._see("")

    def watch_at(self, text: str) -> Movement[str]:
        """Watch other memory. Raises LookupError for what is no address."""
        self.address(text)
        self._watch = text.strip().strip("[]")
        if self.now.ended:
            self.timeline.restart()
            yield from self.timeline.going_to(
                self.now.position + 1
            )  # the end lies behind the last instruction
        self.now = self._look()
        return ""

    def give(self, data: bytes) -> Movement[str]:
        """Append to standard input: the program is run again with it, to the same position."""
        position, seen_end = self.now.position, self.now.ended
        self._stdin += data
        self.timeline.restart()
        yield from self.timeline.going_to(position)
        self.now = self._look()
        return "the program had ended; it was run again with the new input" if seen_end else ""

    def toggle(self, address: int) -> bool:
        """Set a breakpoint, or remove it: whether there is one now."""
        self.breakpoints ^= {address}
        return address in self.breakpoints

    # -- having arrived

    def _arrive(self) -> Movement[str]:
        """Show this position as if the last step had just been done: what it did is told too."""
        position, ended = self.timeline.position, self.timeline.outcome is not None
        if position and not (ended and self._uncounted_end()):
            yield from self.timeline.going_to(position - 1)
            self._step_seen(None)
        else:
            self._see("")
        return ""

    def _uncounted_end(self) -> bool:
        """Whether the instruction that ended the run did not complete, so that no position lies before it."""
        outcome = self.timeline.outcome
        return outcome is not None and outcome.exit_code is None

    def _step_seen(self, before: Sight | None) -> None:
        """One step, and what it did."""
        before = before or self._look()
        self.timeline.step()
        self.before, self.now = before, self._look()
        self.done = self._told(before, self.now)

    def _told(self, before: Sight, now: Sight) -> str:
        if before.effect is None:
            return ""
        called = now.calls_made - before.calls_made
        if before.effect.instruction.mnemonic in ("syscall", "int", "sysenter") and called:
            return now.calls[-min(called, len(now.calls))]
        if now.ended or now.thread != before.thread:
            return ""
        return before.effect.has_done(now.registers, self.timeline.read)

    def _see(self, done: str) -> None:
        self.before, self.now, self.done = self.now, self._look(), done
