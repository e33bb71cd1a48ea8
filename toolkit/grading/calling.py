"""Makes a stopped process call one of its functions as a C caller would, and finds out how it came back.

System V ABI, x86-64, 3.2: arguments in rdi, rsi, rdx, rcx, r8, r9, then on the stack; rsp + 8 a multiple of 16 at entry;
rbx, rbp, r12 to r15 and rsp kept; the direction flag clear. The return address is ``RETURN``, where nothing is mapped:
the fault there is the return. At every ``call`` inside, rsp is a multiple of 16, and the 128 bytes below it (the red zone,
3.2.2), which the callee may overwrite, are overwritten with rubbish.

Buffers end where an unmapped page begins. In a writable one's first page the same pattern stands below it, so that a byte
written before its beginning is seen too.

Bytes below the red zone belong to signal handlers. The stack below the function is filled with a pattern: the lowest byte
that differs afterwards was written; it was the function's to write only if rsp had come down to 128 bytes above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toolkit.grading.building import Built
from toolkit.grading.caller import FILLED, MASK, RETURN, below, came_back, place, rubbish_of, write_frame
from toolkit.grading.evidence import CallEvidence, RunRequest
from toolkit.kernel.moments import EXIT, START, Moment

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.moments import Stop
    from toolkit.kernel.outcome import Outcome

ARGUMENT_REGISTERS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
KEPT_REGISTERS = ("rbx", "rbp", "r12", "r13", "r14", "r15")
DIRECTION_FLAG = 0x400
RED_ZONE = 128  # bytes below rsp that signal handlers leave alone
MOST_CALLS = 1_000  # inner calls that are looked at
MOST_FOLLOWED = 5_000  # instructions of a call whose rsp is followed


def argument_name(index: int) -> str:
    """``argument 1 (rsi)``: by number from 0, and where the function finds it."""
    held = index < len(ARGUMENT_REGISTERS)
    return f"argument {index}" + (f" ({ARGUMENT_REGISTERS[index]})" if held else "")


class Caller:
    """One call in one run."""

    def __init__(self, built: Built, request: RunRequest) -> None:
        assert request.call is not None
        self._call = request.call
        self._built = built
        self._seed = request.seed
        self._kept: dict[str, int] = {}
        self._addresses: dict[int, int] = {}
        self._buffers: dict[int, bytes] = {}
        self._before: dict[int, bytes] = {}  # of writable buffers: what stands below them in their first page
        self._written_before: dict[int, int] = {}  # how many bytes below a buffer its lowest changed byte is
        self._calls = 0
        self._counted: int | None = None
        self._label_count = 0
        self._moved: list[int] = []  # rsp of the calls under way whose callers keep their red zone
        self._pattern = b""
        self._misaligned: str | None = None
        self._lowest_rsp = MASK
        self._lowest_write = MASK

    def attach(self, kernel: Kernel) -> None:
        """Set the call up when the program is loaded, look at it when it ends."""
        self._kernel, self._memory = kernel, kernel.processes.main.memory
        kernel.return_address = RETURN
        kernel.at(START, self._begin)
        kernel.at(EXIT, self._end)
        if self._call.keep_red_zone:
            for before, after in self._built.call_moments:
                kernel.at(before, self._before_call)
                kernel.at(after, self._after_call)
        for count in range(1, self._call.follow_stack + 1):
            kernel.at(Moment("step", count=count), self._follow)
        if self._call.count_label is not None:
            self._counted = self._built.symbols[self._call.count_label]
        self._look_in_passing()

    def evidence(self, outcome: Outcome) -> CallEvidence:
        """How the call went."""
        from toolkit.kernel.outcome import Ending

        over = outcome.ending in (Ending.RETURNED, Ending.SIGNALED)
        if not over or not came_back(outcome.registers.get("rip"), outcome.fault):
            return CallEvidence(
                False,
                buffers=self._buffers,
                addresses=self._addresses,
                label_count=self._label_count,
                calls=self._calls,
                stack=outcome.registers.get("rsp", 0) - (self._kept["rsp"] - 8) if self._kept else 0,
            )
        registers = outcome.registers
        return CallEvidence(
            True,
            registers["rax"],
            registers["rdx"],
            self._buffers,
            self._addresses,
            tuple(self._violations(registers)),
            self._label_count,
            self._calls,
            self._lowest_write < self._lowest_rsp - RED_ZONE,
        )

    def _begin(self, stop: Stop) -> None:
        """The arguments, and the jump. Precondition: `caller.stand_ready`."""
        registers, memory = stop.kernel.machine.registers, stop.process.memory
        words = [self._argument(stop, index) for index in range(len(self._call.arguments))]
        for name, word in zip(ARGUMENT_REGISTERS, words, strict=False):
            registers[name] = word
        rsp = registers["rsp"]
        on_stack = tuple(words[len(ARGUMENT_REGISTERS) :])
        if on_stack:
            rsp -= 16 * ((len(on_stack) + 1) // 2)
            write_frame(memory, rsp, on_stack, self._seed)
        registers["rsp"] = self._lowest_rsp = rsp - 8
        registers["rip"] = self._built.symbols[self._call.function]
        rubbish, self._pattern = rubbish_of(self._seed)
        self._kept = {name: rubbish[name] for name in KEPT_REGISTERS} | {"rsp": rsp}

    def _look_in_passing(self) -> None:
        """At inner calls, as long as they are looked at, and at the label whose arrivals are counted."""
        looked_at: frozenset[int] = frozenset()
        if not self._call.keep_red_zone and self._calls < MOST_CALLS:
            looked_at = self._built.call_places
        if self._counted is not None:
            looked_at |= {self._counted}
        if looked_at or self._calls:
            self._kernel.passing.look(looked_at, self._passes)

    def _passes(self, address: int, stands: bool) -> bool:
        """Look at an instruction in passing: whether nothing had to be done that needs the program to stand."""
        sites = () if self._call.keep_red_zone else self._built.call_sites
        if address in sites and self._calls < MOST_CALLS:
            last = self._calls + 1 == MOST_CALLS
            rsp = self._kernel.machine.registers["rsp"]
            if not stands and (last or not self._spoil(rsp)):
                return False
            self._note_call(address, rsp)
            if stands:
                self._spoil_faulting(rsp)
            if last:
                self._look_in_passing()
        if address == self._counted:
            self._label_count += 1
        return True

    def _note_call(self, address: int, rsp: int) -> None:
        """Look at rsp at a ``call`` inside the function."""
        self._calls += 1
        self._lowest_rsp = min(self._lowest_rsp, rsp - 8)
        if rsp % 16 and self._misaligned is None:
            where = self._built.location(address) or f"{address:#x}"
            self._misaligned = f"rsp is {rsp:#x} at the call at {where}: it must be a multiple of 16 there"

    def _spoil(self, rsp: int) -> bool:
        """Overwrite what the callee may overwrite, if that needs no fault."""
        return self._memory.overwrite(rsp - RED_ZONE, self._pattern[:RED_ZONE])

    def _spoil_faulting(self, rsp: int) -> None:
        from toolkit.kernel.errors import SyscallError

        try:
            self._memory.write(rsp - RED_ZONE, self._pattern[:RED_ZONE])
        except SyscallError:  # no stack is there: the call itself will fault
            return

    def _before_call(self, stop: Stop) -> None:
        """Keep the callee from the red zone: it gets a stack below that."""
        registers = stop.kernel.machine.registers
        rsp = registers["rsp"]
        self._note_call(registers["rip"], rsp)
        if self._calls == MOST_CALLS:
            stop.kernel.forget_labels(self._before_call)
        self._moved.append(rsp - RED_ZONE)
        registers["rsp"] = rsp - RED_ZONE

    def _after_call(self, stop: Stop) -> None:
        """Where a call returns to: give back what was kept from the callee."""
        registers = stop.kernel.machine.registers
        if self._moved and registers["rsp"] == self._moved[-1]:
            registers["rsp"] = self._moved.pop() + RED_ZONE
            if self._calls >= MOST_CALLS and not self._moved:
                stop.kernel.forget_labels(self._after_call)

    def _follow(self, stop: Stop) -> None:
        self._lowest_rsp = min(self._lowest_rsp, stop.kernel.machine.registers["rsp"])

    def _argument(self, stop: Stop, index: int) -> int:
        argument = self._call.arguments[index]
        if argument.data is None:
            return argument.value & MASK
        if argument.writable:
            self._before[index] = below(argument, self._seed)
        self._addresses[index] = address = place(stop.process.memory, argument, index, self._seed)
        self._buffers[index] = argument.data
        return address

    def _end(self, stop: Stop) -> None:
        from toolkit.kernel.errors import SyscallError

        for index, address in self._addresses.items():
            try:
                self._buffers[index] = bytes(stop.read(address, len(self._buffers[index])))
                self._look_before(stop, index, address)
            except SyscallError:  # the function unmapped it: keep what it was
                continue
        low = self._kept["rsp"] - 8 - FILLED
        try:
            now = bytes(stop.read(low, FILLED))
        except SyscallError:
            return
        if now == self._pattern:
            return
        difference = int.from_bytes(now, "little") ^ int.from_bytes(self._pattern, "little")
        if difference:
            self._lowest_write = low + ((difference & -difference).bit_length() - 1) // 8

    def _look_before(self, stop: Stop, index: int, address: int) -> None:
        before = self._before.get(index, b"")
        now = bytes(stop.read(address - len(before), len(before)))
        if now != before:
            self._written_before[index] = max(
                distance for distance in range(1, len(before) + 1) if now[-distance] != before[-distance]
            )

    def _violations(self, registers: Mapping[str, int]) -> list[str]:
        found = [
            f"{name} must be kept: it was {self._kept[name]:#x} and is {registers[name]:#x}"
            for name in KEPT_REGISTERS
            if registers[name] != self._kept[name]
        ]
        if registers["rsp"] != self._kept["rsp"]:
            off = registers["rsp"] - self._kept["rsp"]
            found.append(f"rsp is {abs(off)} bytes too {'high' if off > 0 else 'low'} on return")
        if registers["rflags"] & DIRECTION_FLAG:
            found.append("the direction flag is set on return (cld clears it)")
        if self._misaligned is not None:
            found.append(self._misaligned)
        found += [
            f"it writes {count} byte{'s' * (count > 1)} before {argument_name(index)}"
            for index, count in self._written_before.items()
        ]
        too_deep = self._lowest_rsp - RED_ZONE - self._lowest_write
        if self._call.follow_stack and too_deep > 0:
            found.append(
                f"it writes {too_deep} byte{'s' * (too_deep > 1)} below the red zone, which is the {RED_ZONE} bytes below rsp:"
                " a signal handler may overwrite what lies there"
            )
        return found
