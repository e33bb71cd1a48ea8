"""One emulated CPU with its physical memory; the only module that imports unicorn.

The program runs at CPL 3 with 4-level paging and NX, so faults, rights and page crossings are the hardware's.
Hooks only note what happened and stop the engine; `run` turns the note into an event after the CPU returned.

Root page tables belong to the kernel, except for entry 256 (addresses from 0xffff800000000000): there the
machine keeps the supervisor page of its descriptor table, and `set_page_table` fills the entry in.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

from toolkit.machine import fxsave, paging
from toolkit.machine.engine import Library
from toolkit.machine.events import MachineError, Nondeterministic
from toolkit.machine.physical import DEFAULT_SIZE, PAGE_SIZE, PhysicalMemory
from toolkit.machine.registers import RAX, RBX, RCX, RDX, RFLAGS, RIP
from toolkit.machine.running import Runner
from toolkit.machine.segments import FIRST_TLS_ENTRY, TLS_ENTRIES
from toolkit.machine.simd import unmasked

ARITHMETIC_FLAGS, CARRY = 0x8D5, 0x1
TLS_START = paging.GDT_FRAME * paging.ENTRIES + FIRST_TLS_ENTRY
TLS_WORDS = slice(TLS_START, TLS_START + TLS_ENTRIES)


@cache
def unicorn() -> Library:
    """The engine's Python package, loaded once. Raises MachineError when it is missing or not built."""
    try:
        import unicorn as package
        from unicorn import unicorn_const, x86_const
        from unicorn.unicorn_py3 import unicorn as binding
    except (ImportError, OSError) as error:
        raise MachineError(
            f"the Unicorn engine cannot be loaded ({error}): install it with `pip install 'unicorn>=2.1.4'`"
        ) from error
    return Library(package, unicorn_const, x86_const, binding.uclib)


@dataclass(frozen=True, slots=True)
class Context:
    """All a thread owns of the CPU, as the engine stores it: opaque, and only for the machine it came from."""

    image: bytes
    registers: bytes
    root: int
    thread_local: tuple[int, ...]
    unmasked: bool


class Machine(Runner):
    """One x86-64 CPU and its physical memory, ready to run programs one after another.

    `memory_size` is in bytes and costs the host nothing until it is touched. Raises MachineError when the
    engine is missing, cannot be calibrated, or the host refuses the memory.
    """

    def __init__(self, memory_size: int = DEFAULT_SIZE) -> None:
        library = unicorn()
        if memory_size < 2 * paging.FIRST_FREE_FRAME * PAGE_SIZE:
            raise MachineError(f"physical memory of {memory_size} bytes is too small")
        super().__init__(library, PhysicalMemory(memory_size))
        self.first_free_frame = paging.FIRST_FREE_FRAME
        self._images = {64: self._engine.context_image()}
        self._initial_registers = bytes(self.registers.values)

    def answer(self, event: Nondeterministic, *values: int) -> None:
        """Complete the instruction of a Nondeterministic event with the kernel's answer, and step over it.

        `rdtsc` and `rdtscp` take the 64-bit counter (and `rdtscp` TSC_AUX, default 0), `rdrand` and `rdseed`
        the number, `cpuid` EAX, EBX, ECX, EDX.
        """
        registers = self.registers.values
        if event.instruction == "cpuid":
            for register, value in zip((RAX, RBX, RCX, RDX), values, strict=True):
                registers[register] = value & 0xFFFF_FFFF
        elif event.instruction in ("rdtsc", "rdtscp"):
            registers[RAX], registers[RDX] = values[0] & 0xFFFF_FFFF, values[0] >> 32 & 0xFFFF_FFFF
            if event.instruction == "rdtscp":
                registers[RCX] = values[1] & 0xFFFF_FFFF if len(values) > 1 else 0
        else:
            mask = (1 << 8 * event.size) - 1
            kept = registers[event.register] & ~mask if event.size == 2 else 0
            registers[event.register] = kept | values[0] & mask
            registers[RFLAGS] = registers[RFLAGS] & ~ARITHMETIC_FLAGS | CARRY
        self._engine.meter.note(registers[RIP], event.length)
        registers[RIP] += event.length

    # ---- contexts

    def save_context(self) -> Context:
        """A copy of everything a thread owns: registers, x87, SSE, segments and bases."""
        thread_local = tuple(self.words[TLS_WORDS])
        return Context(
            self._engine.context_image(),
            bytes(self.registers.values),
            self._notes.root,
            thread_local,
            self._notes.unmasked,
        )

    def restore_context(self, context: Context) -> None:
        """Put a saved copy back. The page table stays the one that `set_page_table` chose last."""
        self._engine.restore_image(context.image)
        ctypes.memmove(self.registers.values, context.registers, len(context.registers))
        self.forget_history()
        for index, descriptor in enumerate(context.thread_local):
            self.words[TLS_WORDS.start + index] = descriptor
        self._notes.unmasked = context.unmasked
        if context.root != self._notes.root:
            self._engine.set_root(self._notes.root)

    def rewind(self, context: Context, *, keep_code: bool) -> None:
        """Back to a context of the program that is loaded, whose memory the caller has put back.

        Breakpoints stay. With `keep_code` what was translated is used again: the pages it came from are what they were, or
        `frame_changed` will be called for them.
        """
        engine, notes = self._engine, self._notes
        if not keep_code:
            engine.flush_code()
            engine.meter.forget_blocks()
        engine.meter.rewrites = 0
        notes.scanned.clear()
        self._fetched = None
        self.restore_context(context)
        self.set_page_table(context.root)

    def enter_program(self, bits: int = 64) -> None:
        """The CPU state in which exec starts a program: memory and the page table stay as they are.

        All general registers are 0; for the rest see `set_mode`.
        """
        ctypes.memmove(self.registers.values, self._initial_registers, len(self._initial_registers))
        self.set_mode(bits)

    def set_mode(self, bits: int) -> None:
        """Everything but the general registers as exec leaves it to a program of 64 or 32 bits.

        64 is long mode (CS 0x33, SS 0x2b, DS and ES 0), 32 compatibility mode (CS 0x23, DS, ES and SS 0x2b).
        x87 and SSE are in their initial state, the bases 0 and the TLS descriptors empty.
        """
        image = self._images.get(bits)
        if image is None:
            self._engine.restore_image(self._images[64])
            self._engine.set_root(self._notes.root)
            self._engine.enter_compatibility_mode()
            image = self._images[bits] = self._engine.context_image()
        self._engine.restore_image(image)
        self.forget_history()
        self._notes.unmasked = False
        for index in range(TLS_WORDS.start, TLS_WORDS.stop):
            self.words[index] = 0
        self._engine.set_root(self._notes.root)

    def set_descriptor(self, entry: int, descriptor: int) -> None:
        """Write a TLS entry (12 to 14) of the descriptor table, as set_thread_area does."""
        if not 0 <= entry - FIRST_TLS_ENTRY < TLS_ENTRIES:
            raise MachineError(f"descriptor {entry} does not belong to threads")
        self.words[TLS_WORDS.start + entry - FIRST_TLS_ENTRY] = descriptor

    def descriptor(self, entry: int) -> int:
        """A TLS entry (12 to 14) of the descriptor table."""
        if not 0 <= entry - FIRST_TLS_ENTRY < TLS_ENTRIES:
            raise MachineError(f"descriptor {entry} does not belong to threads")
        return int(self.words[TLS_WORDS.start + entry - FIRST_TLS_ENTRY])

    @property
    def selectors(self) -> dict[str, int]:
        """The selectors in CS, SS, DS, ES, FS and GS, by lower-case name."""
        return self._engine.selectors()

    def fpu_state(self) -> bytes:
        """The x87 and SSE state as a 512-byte FXSAVE image, for signal frames."""
        self._engine.simd.update()
        return self._engine.fpu.read()

    def set_fpu_state(self, image: bytes) -> None:
        """Put such an image back. Raises ValueError for a wrong size or reserved bits set in MXCSR."""
        self._engine.fpu.write(image)
        self._engine.simd.clear()
        mxcsr = int.from_bytes(image[fxsave.MXCSR : fxsave.MXCSR + 4], "little")
        self._notes.unmasked = bool(unmasked(mxcsr))

    def reset(self, used_frames: int | None = None) -> None:
        """Pristine again, for the next program: CPU, breakpoints, translated code, and memory.

        Frames from `first_free_frame` up to `used_frames` (a frame number, exclusive) are zeroed; all of
        memory when it is None. No page table is current afterwards.
        """
        end = self.memory_size if used_frames is None else min(used_frames * PAGE_SIZE, self.memory_size)
        if end > self.first_free_frame * PAGE_SIZE:
            self._physical.clear(self.first_free_frame * PAGE_SIZE, end)
        paging.write_machine_tables(self.words)
        self._engine.flush_code()
        self.look_in_passing(())
        self._engine.meter.forget_program()
        self._engine.unwatch_all()
        if self._notes.exits or self._breakpoints:
            self._breakpoints = frozenset()
            self._engine.set_exits(())
        self._notes.root = paging.EMPTY_ROOT * PAGE_SIZE
        self._notes.forget_program()
        self._fetched = None
        self.enter_program()

    @property
    def fs_base(self) -> int:
        """The base of FS: thread-local storage."""
        return self._engine.base(0)

    @fs_base.setter
    def fs_base(self, value: int) -> None:
        self._engine.set_base(0, value)

    @property
    def gs_base(self) -> int:
        """The base of GS."""
        return self._engine.base(1)

    @gs_base.setter
    def gs_base(self, value: int) -> None:
        self._engine.set_base(1, value)

    @property
    def code_bits(self) -> int:
        """64, or 32 while the program is in compatibility mode."""
        return self._notes.bits()
