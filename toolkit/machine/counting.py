"""Counting instructions by the block, exactly: a few instructions of the host's own before each translated block.

The engine's `count=` calls a function before every instruction, which costs a factor of ten or more. Here one hook
runs before each *block* of straight-line code. A block's hook carries the address of the block's `record`, where the
number of its instructions stands, so the function in `machine_code` has little to do:

    remaining -= record.cost; if remaining < 0: return slow(…); ring[position++ % RING] = record

`slow` is Python: it is called when the block is longer than what is left of an instalment of the run, and for the blocks
whose cost is EXCEPTIONAL (see `Meter.admit`). A run is paid out in instalments, so that long loops are seen in time. Where the host gives no executable memory, the same is done in Python for each block.

A block is charged as a whole when it begins. Whoever stops inside it asks `Meter.begun` for the block and takes back
what was not executed. The ring keeps the last blocks that were begun: the way the program came.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from toolkit.machine.host_code import HostCode
from toolkit.machine.physical import PAGE_SIZE, reserve

BLOCK_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)

UNLIMITED = 1 << 60
EXCEPTIONAL = 1 << 61
INSTALMENT = 1 << 20  # instructions
REMAINING, POSITION, SLOW, RING_START = 0, 1, 2, 8  # words of the state
RING = 4096  # blocks
RECORD = 4  # words: cost, address, bytes, instructions
RECORDS = 1 << 15
REWRITES_TOLD = 1000
WORD = (1 << 64) - 1


def machine_code(host: str, system: str, state: int) -> bytes:
    """The function for a processor and an operating system, with its state at an address; empty for other hosts."""
    wrap = struct.pack("<I", RING - 1)
    if host in ("x86_64", "amd64"):
        if system == "win32":  # uc RCX, record R9
            load, push = b"\x49\x8b\x11", b"\x4c\x89\x4c\xd0\x40"
        else:  # uc RDI, record RCX
            load, push = b"\x48\x8b\x11", b"\x48\x89\x4c\xd0\x40"
        # mov rdx,[rax+8]; inc qword [rax+8]; and edx,RING-1; mov [rax+rdx*8+64],record; ret
        tail = b"\x48\x8b\x50\x08\x48\xff\x40\x08\x81\xe2" + wrap + push + b"\xc3"
        # mov rax,state; mov rdx,[record]; sub [rax],rdx; js slow; …; slow: jmp [rax+16]
        head = b"\x48\xb8" + struct.pack("<Q", state) + load + b"\x48\x29\x10\x78" + bytes([len(tail)])
        return head + tail + b"\xff\x60\x10"
    if host in ("arm64", "aarch64"):  # uc X0, record X3
        words = (
            0x58000204,  # ldr x4, state
            0xF9400065,  # ldr x5, [x3]
            0xF9400086,  # ldr x6, [x4]
            0xEB0500C6,  # subs x6, x6, x5
            0xF9000086,  # str x6, [x4]
            0x54000104,  # b.mi slow
            0xF9400485,  # ldr x5, [x4, #8]
            0x92402CA6,  # and x6, x5, #RING - 1
            0x910004A5,  # add x5, x5, #1
            0xF9000485,  # str x5, [x4, #8]
            0x8B060C86,  # add x6, x4, x6, lsl #3
            0xF90020C3,  # str x3, [x6, #64]
            0xD65F03C0,  # ret
            0xF9400890,  # slow: ldr x16, [x4, #16]
            0xD61F0200,  # br x16
            0xD503201F,  # nop: the next word is aligned
        )
        return struct.pack(f"<{len(words)}I", *words) + struct.pack("<Q", state)
    return b""


class Block(NamedTuple):
    """A stretch of code without branches that was begun: virtual address, length in bytes, and instructions."""

    address: int
    size: int
    instructions: int


class Meter:
    """The state and the records of the block hook, in memory that it shares with the host's code.

    `function` is the hook's address once `use` was called; `next_record` is told the address of the record that the
    next translated block will carry.
    """

    def __init__(self) -> None:
        self._memory = reserve(-(-8 * (RING_START + RING + RECORD * RECORDS) // PAGE_SIZE) * PAGE_SIZE)
        self._anchor = ctypes.c_char.from_buffer(self._memory)
        self.address = ctypes.addressof(self._anchor)
        self.words = memoryview(self._memory).cast("Q")
        self.stepping = False
        self.limit = self._reserve = 0
        self.rewrites = 0
        self._begin = self._oldest = 0
        self._cut: dict[int, Block] = {}
        self._done: dict[tuple[int, int], int] = {}  # of a record's block, in its first bytes
        self._first = self._free = RING_START + RING
        self._full = len(self.words) - RECORD
        self._next_record: Any = None
        self._code: HostCode | None = None

    def use(self, slow: Any) -> Any:
        """The hook's function, given what it calls when a block needs more than subtraction."""
        self.words[SLOW] = ctypes.cast(slow, ctypes.c_void_p).value or 0
        code = machine_code(platform.machine().lower(), sys.platform, self.address)
        if code:
            with suppress(OSError):
                self._code = HostCode(code)
        return BLOCK_HOOK(self.in_python(slow)) if self._code is None else ctypes.c_void_p(self._code.address)

    @property
    def counts_in_machine_code(self) -> bool:
        """Whether the host let us have executable memory; else every block calls Python."""
        return self._code is not None

    def in_python(self, slow: Any) -> Callable[[int, int, int, int], None]:
        """What the machine code does, for hosts that do not let us have any."""
        words, address = self.words, self.address

        def count(engine: int, place: int, size: int, record: int) -> None:
            remaining = words[REMAINING] - words[(record - address) // 8]
            words[REMAINING] = remaining & WORD
            if remaining < 0:
                slow(engine, place, size, record)
            else:
                self.push(record)

        return count

    # ---- records

    def deliver_records_to(self, place: Any) -> None:
        """`place` is the engine's own variable from which a translated block takes its record's address."""
        self._next_record = place
        place.value = self.address + 8 * self._free

    def admit(self, address: int, size: int, instructions: int, exceptional: int = 0) -> bool:
        """Fill in the record of the block that was just translated; False when there is no room for another one.

        `exceptional`: EXCEPTIONAL, or EXCEPTIONAL + 1 for a block that only jumps to itself; 0 for all others.
        """
        free, words = self._free, self.words
        words[free], words[free + 1] = exceptional or instructions, address
        words[free + 2], words[free + 3] = size, instructions
        self._free = free = free + RECORD
        self._next_record.value = self.address + 8 * free
        return free < self._full

    @property
    def mark(self) -> int:
        """For `blocks_since`."""
        return self._free

    def blocks_since(self, mark: int) -> Iterator[Block]:
        """The blocks translated since then, but for those that were to be one instruction long."""
        for index in range(mark if mark <= self._free else self._first, self._free, RECORD):
            if self.words[index] != EXCEPTIONAL:
                yield self.block(self.address + 8 * index)

    def rewritten(self) -> bool:
        """Note that translated code was changed by the program; True each REWRITES_TOLD times."""
        self.rewrites += 1
        return self.rewrites % REWRITES_TOLD == 0

    def forget_program(self) -> None:
        """Another program comes, and nothing is translated."""
        self.rewrites = 0
        self._cut.clear()
        self.forget_blocks()

    def forget_blocks(self) -> None:
        """Nothing is translated any more: all records are free, and the history is gone with them."""
        self._done.clear()
        self._free = self._first
        self._next_record.value = self.address + 8 * self._free
        self.forget_history()

    def block(self, record: int) -> Block:
        """A record, by address."""
        index = (record - self.address) // 8
        return Block(*self.words[index + 1 : index + RECORD])

    # ---- one run

    def start(self, limit: int) -> None:
        """Count from 0, and stop before `limit` instructions are exceeded."""
        words = self.words
        self.limit = limit
        words[REMAINING] = instalment = limit if limit < INSTALMENT else INSTALMENT
        self._reserve = limit - instalment
        self._begin = words[POSITION]

    def refund(self, instructions: int) -> int:
        """Take a charge back: what is left to run."""
        remaining: int = self.words[REMAINING] + instructions & WORD
        self.words[REMAINING] = remaining
        return remaining + self._reserve

    def charge(self, instructions: int) -> None:
        """Count instructions, of which no more may be charged than are left."""
        self._pay_out(self.words[REMAINING] + self._reserve - instructions)

    def _pay_out(self, left: int) -> None:
        """What is left, as the next instalment and the reserve."""
        self.words[REMAINING] = instalment = min(left, INSTALMENT)
        self._reserve = left - instalment

    def executed(self) -> int:
        """Instructions in all the blocks begun since `start`."""
        return self.limit - self._reserve - self.words[REMAINING]

    def begun(self) -> Block | None:
        """The last block begun since `start`."""
        position = self.words[POSITION]
        return None if position == self._begin else self.block(self.words[RING_START + (position - 1) % RING])

    def push(self, record: int) -> None:
        """Note that a block begins."""
        position = self.words[POSITION]
        self.words[RING_START + position % RING] = record
        self.words[POSITION] = position + 1
        self._cut.pop(position, None)

    def left_at(self, place: int, instructions_in: Callable[[int, int], int]) -> int:
        """The run stopped before the instruction at `place`: gives back what a block that it lies in did not execute.

        `instructions_in` tells how many there are from an address on in so many bytes.
        """
        words, position = self.words, self.words[POSITION]
        if position == self._begin:
            return 0
        record = words[RING_START + (position - 1) % RING]
        index = (record - self.address) // 8
        start = words[index + 1]
        size = place - start
        if not 0 <= size < words[index + 2]:
            return 0
        done = self._done.get((record, size))
        if done is None:
            done = self._done[record, size] = instructions_in(start, size) if size else 0
        return self._cut_last(words[index + 3], start, size, done)

    def cut_short(self, size: int, instructions: int) -> int:
        """The last block was left after `size` bytes: gives back what it was charged for and did not execute."""
        block = self.begun()
        if block is None:
            return 0
        return self._cut_last(block.instructions, block.address, size, instructions)

    def _cut_last(self, charged: int, address: int, size: int, done: int) -> int:
        position = self.words[POSITION] - 1
        if not done:
            self.words[POSITION] = position
        else:
            self._cut[position] = Block(address, size, done)
            if len(self._cut) > 2 * RING:
                self._cut = {place: cut for place, cut in self._cut.items() if place >= position - RING}
        return charged - done

    # ---- the way the program came

    def forget_history(self) -> None:
        """What comes next was not reached from what came before."""
        self._oldest = self._begin = self.words[POSITION]

    def note(self, address: int, size: int) -> None:
        """An instruction was carried out for the program; it is not counted."""
        position = self.words[POSITION]
        self.push(self.address + 8 * self._first)
        self._cut[position] = Block(address, size, 0)

    def history(self) -> Iterator[Block]:
        """The blocks begun so far, the latest first."""
        position = self.words[POSITION]
        for place in range(position - 1, max(self._oldest, position - RING) - 1, -1):
            cut = self._cut.get(place)
            yield self.block(self.words[RING_START + place % RING]) if cut is None else cut
