"""Records of system calls as they happen, with their arguments as strace prints them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.kernel.errors import SyscallError
from toolkit.kernel.outcome import ExitRecord, SignalRecord, SyscallRecord, TraceRecord
from toolkit.kernel.strace.results import RESTARTS, result_text
from toolkit.kernel.strace.table import Signature, signature_of
from toolkit.kernel.strace.values import Call, word
from toolkit.machine.registers import RIP

if TYPE_CHECKING:
    from toolkit.kernel.syscalls import Entry
    from toolkit.kernel.task import Process, Thread
    from toolkit.kernel.waiting import Blocked
    from toolkit.personality.layout import Personality

UNKNOWN_ARGUMENTS = 6
INSTRUCTION_LENGTH = 2
ERESTARTSYS, ERESTARTNOHAND, ERESTART_RESTARTBLOCK = 512, 514, 516


@dataclass(slots=True)
class Pending:
    """A call that has begun: the place of its record, how it is printed, and what was printed of it."""

    index: int
    pid: int
    tid: int
    address: int
    number: int
    abi: str
    call: Call
    signature: Signature | None
    begun: list[str]

    def record(
        self,
        texts: list[str],
        result: int | None = None,
        shown: tuple[str, str] = ("", ""),
        ended: int | None = None,
    ) -> SyscallRecord:
        """What is kept of the call. ``shown``: the result as strace prints it, and what it says in parentheses."""
        call = self.call
        return SyscallRecord(
            *(self.pid, self.tid, self.number, call.name, self.abi, call.raw, tuple(texts)),
            *(result, self.address, shown[1], shown[0], len(self.begun), ended),
        )


class Tracer:
    """Keeps up to `limit` records, in the order in which the calls began; the first `printed` with texts as strace's."""

    def __init__(self, limit: int, printed: int) -> None:
        self._limit = limit
        self._printed = printed
        self._records: list[TraceRecord | Pending] = []
        self._pending: dict[int, Pending] = {}
        self._ignored: dict[int, list[SignalRecord]] = {}
        self.dropped = 0

    def finished(self) -> tuple[TraceRecord, ...]:
        """The records so far."""
        return tuple(each.record(each.begun) if isinstance(each, Pending) else each for each in self._records)

    def add(self, record: TraceRecord) -> None:
        """Append a record."""
        if len(self._records) < self._limit:
            self._records.append(record)
        else:
            self.dropped += 1

    def ignore(self, record: SignalRecord) -> None:
        """A signal was thrown away: a tracer sees it all the same, when the process next leaves or enters the kernel."""
        self._ignored.setdefault(record.pid, []).append(record)

    def thread_ended(self, thread: Thread) -> None:
        """A thread other than its process's first is gone."""
        process = thread.process
        self.add(ExitRecord(process.pid, thread.tid, process.exit_code or 0, process.signal, False))

    def process_ended(self, process: Process) -> None:
        """A process is gone."""
        self.add(ExitRecord(process.pid, process.pid, process.exit_code, process.signal, process.core_dumped))

    def begin(self, thread: Thread, entry: Entry, personality: Personality) -> object:
        """A call begins: note its registers and those arguments whose text does not depend on the result.

        None for the calls that code of the vDSO makes: natively it makes none.
        """
        self._flush(thread)
        address = thread.registers[RIP] - INSTRUCTION_LENGTH
        if personality.bits == 64 and _is_in_vdso(thread, address):
            return None
        if len(self._records) >= self._limit:
            self.dropped += 1
            return None
        signature = signature_of(entry.name, personality.bits)
        count = signature.count if signature is not None else _argument_count(entry)
        mask = (1 << personality.bits) - 1
        registers = thread.registers
        raw = tuple([registers[index] & mask for index in personality.argument_registers[:count]])
        call = Call(thread, entry.name, personality.bits, raw)
        printed = len(self._records) < self._printed
        texts = _begin(call, signature) if printed else []
        pending = Pending(
            *(len(self._records), thread.process.pid, thread.tid, address, entry.number, personality.name),
            *(call, signature, texts),
        )
        self._pending[thread.tid] = pending
        self._records.append(pending)
        return entry

    def end(self, thread: Thread, result: int | None) -> None:
        """The call has returned (None: it will not)."""
        self._finish(thread, result, "")
        self._flush(thread)

    def interrupted(self, thread: Thread, blocked: Blocked) -> None:
        """A signal ends the call: what the kernel returns internally, before it decides to begin it again."""
        pending = self._pending.get(thread.tid)
        if pending is None or pending.call.name in ("semop", "semtimedop", "epoll_wait", "epoll_pwait"):
            return
        number = ERESTARTSYS if blocked.restart and blocked.interrupted is None else ERESTARTNOHAND
        if (
            pending.call.name in ("nanosleep", "clock_nanosleep", "poll", "futex")
            and blocked.deadline is not None
        ):
            number = ERESTART_RESTARTBLOCK
        thread.call_record = None
        self._finish(thread, None, f"? {RESTARTS[number]}")

    def _finish(self, thread: Thread, result: int | None, shown: str) -> None:
        pending = self._pending.pop(thread.tid, None)
        thread.call_record = None
        if pending is None:
            return
        if result is not None and result >= 1 << 63:
            result -= 1 << 64
        pending.call.result = result
        texts, told = pending.begun, (shown, "")
        if pending.index < self._printed:
            if pending.signature is not None:
                texts = _end(pending.call, pending.signature, texts)
            if not shown:
                told = result_text(pending.call)
        self._records[pending.index] = pending.record(texts, result, told, len(self._records))

    def _flush(self, thread: Thread) -> None:
        if not self._ignored:
            return
        for record in self._ignored.pop(thread.process.pid, ()):
            self.add(record)


def _is_in_vdso(thread: Thread, address: int) -> bool:
    places = thread.memory.places
    if places.start_code <= address < places.end_code:
        return False
    area = thread.memory.area_at(address)
    return area is not None and area.name == "[vdso]"


def _argument_count(entry: Entry) -> int:
    return len(entry.declaration.arguments) if entry.declaration is not None else UNKNOWN_ARGUMENTS


def _begin(call: Call, signature: Signature | None) -> list[str]:
    if signature is None:
        return [word(call, value) for value in call.raw]
    try:
        return signature.begin(call)
    except SyscallError:
        return [word(call, value) for value in call.raw]


def _end(call: Call, signature: Signature, begun: list[str]) -> list[str]:
    try:
        return signature.end(call, begun)
    except SyscallError:
        return begun + [word(call, value) for value in call.raw[len(begun) :]]
