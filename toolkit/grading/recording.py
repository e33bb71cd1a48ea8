"""What is noted of a process while it runs: its map, registers and memory at the moments asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.grading.building import Built
from toolkit.grading.evidence import CallEvidence, MomentRecord, Peek, RunRequest
from toolkit.grading.program import peek_key
from toolkit.kernel.moments import EXIT

if TYPE_CHECKING:
    from toolkit.grading.calling import Caller
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.moments import Stop
    from toolkit.kernel.outcome import Outcome

LONGEST_INSTRUCTION = 15  # bytes (Intel SDM vol. 2, 2.3.11)
LARGEST_PEEK = 16 << 20


class Recorder:
    """The observers of one run."""

    def __init__(self, built: Built, request: RunRequest) -> None:
        self._built = built
        self._request = request
        self._caller: Caller | None = None
        self.records: dict[str, MomentRecord] = {}
        self.instruction_bytes = b""

    def attach(self, kernel: Kernel) -> None:
        """Have the kernel call back at every moment that the request names. Call after ``spawn``."""
        request = self._request
        if request.call is not None:
            from toolkit.grading.calling import Caller

            self._caller = Caller(self._built, request)
            self._caller.attach(kernel)
        kernel.at(EXIT, self._note_end)
        for moment in request.moments:
            kernel.at(moment, lambda stop, moment=moment: self._note(moment, stop))  # type: ignore[misc]
        if request.kill is not None:
            from toolkit.abi.signals import parse_signal

            number = parse_signal(request.kill.signal)
            kernel.at(request.kill.moment, lambda stop: stop.send_signal(number))

    def call_evidence(self, outcome: Outcome) -> CallEvidence | None:
        """How the call went, if the request was one."""
        return None if self._caller is None else self._caller.evidence(outcome)

    def _note_end(self, stop: Stop) -> None:
        """The instruction that it ends with; and of a call that does not come back the process: the explanation is made of it."""
        from toolkit.grading.caller import came_back

        is_call = self._caller is not None
        if is_call and came_back(stop.kernel.machine.registers["rip"], stop.process.fault):
            return
        if is_call and "exit" not in self._request.moments:
            self._note("exit", stop)
        self._note_instruction(stop)

    def _note(self, moment: str, stop: Stop) -> None:
        from toolkit.kernel.mm.snapshot import take_snapshot

        registers = stop.registers
        peeks = [peek for peek in self._request.peeks if peek.moment == moment]
        self.records[moment] = MomentRecord(
            take_snapshot(stop.process.memory),
            registers,
            {peek_key(peek): self._read(stop, peek) for peek in peeks},
            self._built.location(registers["rip"]),
        )

    def _read(self, stop: Stop, peek: Peek) -> bytes | None:
        address = self._address(peek.where)
        if address is None or not 0 <= peek.length <= LARGEST_PEEK:
            return None
        return stop.process.memory.peek(address, peek.length)

    def _address(self, where: str) -> int | None:
        name, plus, offset = where.partition("+")
        base = self._built.symbols.get(name.strip())
        try:
            if base is None:
                return int(where, 0)
            return base + (int(offset, 0) if plus else 0)
        except ValueError:
            return None

    def _note_instruction(self, stop: Stop) -> None:
        """The bytes at rip, as many as can be read: an instruction may stand at the end of the last page."""
        from toolkit.kernel.errors import SyscallError

        fault = stop.process.fault
        rip = fault.rip if fault is not None else stop.kernel.machine.registers["rip"]
        for length in (LONGEST_INSTRUCTION, 4096 - (rip & 4095)):
            try:
                self.instruction_bytes = bytes(stop.read(rip, min(length, LONGEST_INSTRUCTION)))
                return
            except SyscallError:
                continue
