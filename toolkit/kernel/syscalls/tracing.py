"""Records of system calls as they happen, with their arguments as strace prints them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.abi.errno import Errno
from toolkit.kernel.outcome import SyscallRecord, TraceRecord
from toolkit.kernel.syscalls.arguments import INT, LONG, Argument
from toolkit.machine.registers import RIP

if TYPE_CHECKING:
    from toolkit.kernel.syscalls import Entry
    from toolkit.kernel.task import Thread
    from toolkit.personality.layout import Personality

UNKNOWN_ARGUMENTS = 6
INSTRUCTION_LENGTH = 2
ERRNO_TEXTS = {int(errno): errno.message for errno in Errno}


class Tracer:
    """Keeps up to `limit` records, in the order in which the calls began."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._records: list[TraceRecord] = []
        self._pending: dict[int, tuple[int, Entry, dict[str, int], list[str | None]]] = {}
        self.dropped = 0

    def finished(self) -> tuple[TraceRecord, ...]:
        """The records so far."""
        return tuple(self._records)

    def add(self, record: TraceRecord) -> None:
        """Append a record."""
        if len(self._records) < self._limit:
            self._records.append(record)
        else:
            self.dropped += 1

    def begin(self, thread: Thread, entry: Entry, personality: Personality) -> object:
        """A call begins: note its registers and those arguments whose text does not depend on the result."""
        if len(self._records) >= self._limit:
            self.dropped += 1
            return None
        arguments = entry.declaration.arguments if entry.declaration is not None else ()
        count = len(arguments) if entry.declaration is not None else UNKNOWN_ARGUMENTS
        mask = (1 << personality.bits) - 1
        raw = tuple(thread.registers[index] & mask for index in personality.argument_registers[:count])
        values = {
            name: decode(argument, value, personality.bits)
            for (name, argument), value in zip(arguments, raw, strict=False)
        }
        texts: list[str | None] = [
            None if argument.after else argument.render(thread, values[name], values, 0)
            for name, argument in arguments
        ] or [hex(value) for value in raw]
        self._pending[thread.tid] = (len(self._records), entry, values, texts)
        self._records.append(
            SyscallRecord(
                thread.process.pid,
                thread.tid,
                entry.number,
                entry.name,
                personality.name,
                raw,
                tuple(text or "" for text in texts),
                None,
                address=thread.registers[RIP] - INSTRUCTION_LENGTH,
            )
        )
        return entry

    def end(self, thread: Thread, result: int | None) -> None:
        """The call has returned (None: it will not)."""
        pending = self._pending.pop(thread.tid, None)
        thread.call_record = None
        if pending is None:
            return
        index, entry, values, texts = pending
        record = self._records[index]
        if not isinstance(record, SyscallRecord):
            return
        arguments = entry.declaration.arguments if entry.declaration is not None else ()
        complete = tuple(
            text if text is not None else argument.render(thread, values[name], values, result or 0)
            for text, (name, argument) in zip(texts, arguments, strict=False)
        )
        note = ""
        if result is not None and -4096 < result < 0 and -result in ERRNO_TEXTS:
            note = ERRNO_TEXTS[-result]
        self._records[index] = replace(
            record, arguments=complete or record.arguments, result=result, note=note
        )


def decode(argument: Argument, value: int, bits: int) -> int:
    """The register as the handler sees it, for printing; a path stays an address."""
    template = argument.decode if bits == 64 else argument.decode32
    if template == INT:
        return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    if template == LONG:
        return (value ^ 1 << 63) - (1 << 63)
    if template == "{r}" or "path" in template:
        return value
    return value & 0xFFFFFFFF
