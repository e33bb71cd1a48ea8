"""Where the engine keeps what its interface does not show.

Some things are not to be had from Unicorn's API: the exception recorded last (which turns the next one into
a double fault and must be forgotten), the error code and kind of the last exception, and the length at which the next
block of code is to end. They are found by making known events happen and looking where their traces appear, or by the
shape of their surroundings. A search that does not end in exactly one place is an error: a guess would corrupt the
engine's memory.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass

from toolkit.machine.events import MachineError

# CPUX86State, target/i386/cpu.h: error_code, exception_is_int, exception_next_eip, dr[8], then four (32-bit
# padded) pointers of cpu_breakpoint[] in a union with cpu_watchpoint[], old_exception.
ERROR_CODE_BEFORE_OLD_EXCEPTION = 4 + 4 + 8 + 64 + 32
# CPUX86State begins with regs[16], eip, eflags, cc_dst, cc_src, cc_src2, cc_op.
FLAGS_ARE, FLAGS_ARE_STORED = 8 * 21, 1
LIBRARY_SIZE = 64 << 20
FUNCTIONS_BEFORE = 12
PROCESSOR_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class ExceptionOffsets:
    """Offsets in the CPU's state, in bytes: of C ints, and of CR2.

    `flags_are` says how the arithmetic flags are to be worked out: FLAGS_ARE_STORED, or from the last result.
    """

    old_exception: int
    error_code: int
    is_interrupt: int
    flags_are: int
    fault_address: int


@dataclass(frozen=True, slots=True)
class ProcessorOffsets:
    """Offsets in bytes: of the CPU's pointer in the engine's structure, and in the CPU's of three fields.

    `state` is a pointer to the CPU's state, which begins with the 16 general registers.
    """

    pointer: int
    next_flags: int
    jump_cache: int
    state: int


def find_exception_offsets(
    before: bytes, after: bytes, vector: int, error_code: int, registers: bytes, control: bytes
) -> ExceptionOffsets:
    """Compare two saved contexts: a fresh one, and one after a single exception that was not handled.

    `registers` are the 16 general registers' values in the second one, with which its CPU's state begins, and `control`
    those of CR2 and CR3.

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
    start = after.find(registers)
    if after.count(registers) != 1 or struct.unpack_from("<i", after, start + FLAGS_ARE) != (
        FLAGS_ARE_STORED,
    ):
        raise MachineError("cannot calibrate this Unicorn: the flags are not where they are expected")
    if after.count(control) != 1:
        raise MachineError("cannot calibrate this Unicorn: CR2 is not where it is expected")
    return ExceptionOffsets(
        old - start, error - start, error + 4 - start, FLAGS_ARE, after.find(control) - start
    )


def find_word(image: bytes, value: int) -> int:
    """The offset of the only 8-byte word with a value. Raises MachineError unless there is exactly one."""
    places = [at for at in range(0, len(image) - 7, 8) if image[at : at + 8] == struct.pack("<Q", value)]
    if len(places) != 1:
        raise MachineError(f"cannot calibrate this Unicorn: {len(places)} places hold a hook's argument")
    return places[0]


def find_processor(structure: bytes, library: int) -> tuple[int, int]:
    """Offset and value of `uc_struct.cpu`, given the engine's structure and an address in the engine's code.

    It comes behind dozens of pointers to functions and before two more. Raises MachineError unless one place fits.
    """
    words = struct.unpack(f"<{len(structure) // 8}Q", structure)
    is_function = [abs(word - library) < LIBRARY_SIZE for word in words]
    found = [
        (8 * index, words[index])
        for index in range(FUNCTIONS_BEFORE, len(words) - 2)
        if not is_function[index] and words[index] > 1 << 16
        and is_function[index + 1] and is_function[index + 2]
        and sum(is_function[index - FUNCTIONS_BEFORE : index]) > FUNCTIONS_BEFORE // 2
    ]  # fmt: skip
    if len(found) != 1:
        raise MachineError(f"cannot calibrate this Unicorn: {len(found)} places look like its CPU")
    return found[0]


def find_processor_offsets(pointer: int, cpu: int, image: bytes) -> ProcessorOffsets:
    """What is where in the CPU's structure at address `cpu`, of which `image` is the beginning.

    `cflags_next_tb` is the only one of the first fields that is -1 at rest; the cache of blocks follows the pointers
    to the registers and to a counter just before them. Raises MachineError unless both are there.
    """
    flags = [at for at in range(0, 64, 4) if image[at : at + 4] == b"\xff\xff\xff\xff"]
    words = struct.unpack(f"<{len(image) // 8}Q", image)
    pairs = [
        8 * index + 16
        for index, (registers, counter) in enumerate(itertools.pairwise(words))
        if cpu < counter < registers < cpu + PROCESSOR_SIZE and registers - counter <= 64
    ]
    if len(flags) != 1 or len(pairs) != 1:
        raise MachineError(
            f"cannot calibrate this Unicorn: its CPU has {len(flags)} and {len(pairs)} places of interest"
        )
    return ProcessorOffsets(pointer, flags[0], pairs[0], pairs[0] - 16)


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
