"""Where the engine keeps what its interface does not show.

Three numbers are not to be had from Unicorn's API: the exception recorded last (which turns the next one into
a double fault and must be forgotten), the error code and kind of the last exception, and the number of
instructions executed. They are found by making known events happen and looking where their traces appear.
A search that does not end in exactly one place is an error: a guess would corrupt the engine's memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from toolkit.machine.events import MachineError

# CPUX86State, target/i386/cpu.h: error_code, exception_is_int, exception_next_eip, dr[8], then four (32-bit
# padded) pointers of cpu_breakpoint[] in a union with cpu_watchpoint[], old_exception.
ERROR_CODE_BEFORE_OLD_EXCEPTION = 4 + 4 + 8 + 64 + 32


@dataclass(frozen=True, slots=True)
class ExceptionOffsets:
    """Offsets in a saved context, in bytes, of three C ints."""

    old_exception: int
    error_code: int
    is_interrupt: int


def find_exception_offsets(before: bytes, after: bytes, vector: int, error_code: int) -> ExceptionOffsets:
    """Compare two saved contexts: a fresh one, and one after a single exception that was not handled.

    Raises MachineError when the traces are not in exactly one place.
    """
    changed = [
        offset
        for offset in range(0, len(before) - 3, 4)
        if before[offset : offset + 4] == b"\xff\xff\xff\xff"
        and after[offset : offset + 4] == struct.pack("<i", vector)
    ]
    if len(changed) != 1:
        raise MachineError(
            f"cannot calibrate this Unicorn: {len(changed)} places look like the last exception"
        )
    old = changed[0]
    error = old - ERROR_CODE_BEFORE_OLD_EXCEPTION
    if error < 0 or struct.unpack_from("<ii", after, error) != (error_code, 0):
        raise MachineError("cannot calibrate this Unicorn: the error code is not where it is expected")
    return ExceptionOffsets(old, error, error + 4)


def find_counter_offset(
    run_counted: Callable[[int], None], snapshot: Callable[[], bytes], counts: Iterable[int]
) -> int:
    """The offset of the executed-instruction counter in the engine's structure.

    `run_counted(n)` executes a budget of n instructions, after which the engine has counted n + 1.
    Raises MachineError unless exactly one 8-byte field follows all the counts.
    """
    candidates: set[int] | None = None
    for count in counts:
        run_counted(count)
        image = snapshot()
        wanted = struct.pack("<Q", count + 1)
        found = {offset for offset in range(0, len(image) - 7, 8) if image[offset : offset + 8] == wanted}
        candidates = found if candidates is None else candidates & found
    if candidates is None or len(candidates) != 1:
        number = len(candidates or ())
        raise MachineError(
            f"cannot calibrate this Unicorn: {number} places look like the instruction counter"
        )
    return candidates.pop()


def find_flags_offset(fresh: bytes, invalid: bytes, divided: bytes) -> int:
    """Where the SSE unit's exception flags are in a saved context (softfloat's: invalid 1, division by zero 4).

    The contexts are of a fresh CPU, after 0/0 and after 1/0. Raises MachineError unless one byte fits.
    """
    found = [
        offset
        for offset, values in enumerate(zip(fresh, invalid, divided, strict=True))
        if values == (0, 1, 4)
    ]
    if len(found) != 1:
        raise MachineError(f"cannot calibrate this Unicorn: {len(found)} places look like the SSE flags")
    return found[0]
