"""Unicorn, set up once as a Linux CPU at privilege level 3, and driven through its C functions.

The Python binding's own wrappers cost up to forty times as much as the calls made here with prepared arrays.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from toolkit.machine import calibration, hooks, paging, segments
from toolkit.machine.calibration import FLAGS_ARE, ExceptionOffsets, ProcessorOffsets
from toolkit.machine.counting import UNLIMITED, Meter
from toolkit.machine.events import PAGE_FAULT, MachineError
from toolkit.machine.fxsave import FxsaveImage
from toolkit.machine.physical import PAGE_SIZE, PhysicalMemory
from toolkit.machine.registers import NAMES, RFLAGS, RIP, RSP
from toolkit.machine.simd import SimdFlags

CR0_LINUX = 0x80050033  # PE MP ET NE WP AM PG
CR4_TSD = 0x4  # rdtsc faults in programs, so that time is the kernel's to tell
CR4_PKE = 1 << 22  # protection keys, which keep execute-only pages from being read
CR4_LINUX = 0x620 | CR4_TSD | CR4_PKE  # PAE OSFXSR OSXMMEXCPT
PKRU_LINUX = 0x5555_5554
"""Every key but 0 forbids all data access (init_pkru_value)."""
EFER, EFER_SCE_NXE = 0xC0000080, 0x801
STAR, STAR_VALUE = 0xC0000081, 0x23 << 48 | 0x10 << 32
FLAGS_OF_PROGRAMS = 0x244DD5  # CF PF AF ZF SF TF DF OF NT AC ID
FLAGS_ALWAYS = 0x202  # IF and the reserved bit 1
TLB_FLUSH = 1 << 30 | 11  # UC_CTL_IO_WRITE, UC_CTL_TLB_FLUSH
SET_EXITS = 1 << 30 | 2 << 26 | 6  # UC_CTL_IO_WRITE, two arguments, UC_CTL_UC_EXITS
EVERYWHERE = (1, 0)
HOOK_SIZE = 72  # bytes of `struct hook`, which a hook's handle points to
UC_STRUCTURE = 2048  # bytes of `struct uc_struct` to search
PROCESSOR = 768  # bytes of `CPUState` to search; it is much larger
COMPATIBILITY_TARGET = 0xFFFF_FFF0  # above the highest address an i386 program can map
# mov eax,0x2b; mov ds,eax; mov es,eax; mov ss,eax; retfq
LOAD_FLAT_SEGMENTS = bytes.fromhex("b82b000000 8ed8 8ec0 8ed0 48cb")
DIVIDE_ZERO_BY_ZERO = bytes.fromhex("0f57c0 f30f5ec0 0f0b")  # xorps xmm0,xmm0; divss xmm0,xmm0; ud2
# mov eax,1; cvtsi2ss xmm1,eax; xorps xmm0,xmm0; divss xmm1,xmm0; ud2
DIVIDE_ONE_BY_ZERO = bytes.fromhex("b801000000 f30f2ac8 0f57c0 f30f5ec8 0f0b")
AS_EVER = 0xFFFF_FFFF  # CPUState.cflags_next_tb
TB_FLAGS, TB_FLAGS_COUNT = 24, 0x7FFF  # TranslationBlock.cflags, CF_COUNT_MASK
SEGMENT_REGISTERS = ("cs", "ss", "ds", "es", "fs", "gs")


@dataclass(frozen=True, slots=True)
class Library:
    """The parts of the unicorn package used here: the package, its constants, and the C functions."""

    package: Any
    const: Any
    x86: Any
    functions: Any


class RegisterGroup:
    """Reads or writes a fixed list of engine registers with one call, through arrays built once."""

    __slots__ = ("_arguments", "_read", "_write", "values")

    def __init__(self, library: Library, handle: Any, names: Collection[str], values: Any = None) -> None:
        count = len(names)
        self.values = (ctypes.c_uint64 * count)() if values is None else values
        base = ctypes.addressof(self.values)
        ids = (ctypes.c_int * count)(*(getattr(library.x86, f"UC_X86_REG_{name.upper()}") for name in names))
        places = (ctypes.c_void_p * count)(*(base + 8 * index for index in range(count)))
        self._arguments = (handle, ids, places, count)
        self._read, self._write = library.functions.uc_reg_read_batch, library.functions.uc_reg_write_batch

    def load(self) -> None:
        """From the CPU into `values`."""
        self._read(*self._arguments)

    def store(self) -> None:
        """From `values` into the CPU."""
        self._write(*self._arguments)


@dataclass(slots=True)
class Seen:
    """The exception in progress: (error code, software?, CR2), noted in its hook while there are exits.

    Before the engine returns it looks up the page of each exit and of the byte before it; where one is not present,
    the fault of that lookup replaces the record of the program's.
    """

    has_exits: bool = False
    exception: tuple[int, bool, int] | None = None


class Engine:
    """One Unicorn instance over a physical memory. `values` is the caller's array of 18 registers."""

    def __init__(self, library: Library, physical: PhysicalMemory, values: Any) -> None:
        self.library, self._physical, self.values = library, physical, values
        self._callbacks: dict[int, Any] = {}
        self._watches: dict[int, int] = {}
        self._passed: dict[int, int] = {}
        self._open()
        self.general = RegisterGroup(library, self.handle, NAMES, values)
        self._bases = RegisterGroup(library, self.handle, ("fs_base", "gs_base"))
        self._segment = RegisterGroup(library, self.handle, ("cs", "rflags"))
        self._selectors = RegisterGroup(library, self.handle, SEGMENT_REGISTERS)
        self._counter = RegisterGroup(library, self.handle, ("rcx",))
        self._seen = Seen()
        self.meter = Meter()
        self._root_register = RegisterGroup(library, self.handle, ("cr3",))
        self._mxcsr = RegisterGroup(library, self.handle, ("mxcsr",))
        self.fpu = FxsaveImage(library, self.handle)
        self._enter_user_mode()
        self.notes = self._make_notes()
        self._install_hooks()
        self._allocate_context()

    # ---- setting up

    def _open(self) -> None:
        package, const = self.library.package, self.library.const
        try:
            self._uc = package.Uc(const.UC_ARCH_X86, const.UC_MODE_64)
            self._uc.ctl_exits_enabled(True)
            self._uc.mem_map_ptr(0, self._physical.size, const.UC_PROT_ALL, self._physical.address)
        except package.UcError as error:
            raise MachineError(f"the Unicorn engine cannot be set up: {error}") from error
        self.handle = self._uc._uch
        self._start, self._stop = self.library.functions.uc_emu_start, self.library.functions.uc_emu_stop

    def _enter_user_mode(self) -> None:
        """Execute one real `sysretq` with paging off: writing CS would not change the privilege level.

        `wrpkru` comes before it: PKRU is no register of Unicorn's interface.
        """
        uc, x86 = self._uc, self.library.x86
        code = paging.FLAT_CODE_FRAME * PAGE_SIZE
        set_keys = b"\x31\xc9\x31\xd2\xb8" + PKRU_LINUX.to_bytes(4, "little") + b"\x0f\x01\xef"
        uc.mem_write(code, set_keys + b"\xb9" + (code + 0x800).to_bytes(4, "little") + b"\x48\x0f\x07")
        uc.reg_write(x86.UC_X86_REG_CR4, CR4_PKE | uc.reg_read(x86.UC_X86_REG_CR4))
        uc.ctl_set_exits([code + 0x800])
        uc.msr_write(EFER, uc.msr_read(EFER) | EFER_SCE_NXE)
        uc.msr_write(STAR, STAR_VALUE)
        uc.reg_write(x86.UC_X86_REG_R11, FLAGS_ALWAYS)
        uc.emu_start(code, 0)
        uc.ctl_set_exits([])
        paging.write_machine_tables(self._physical.words)
        uc.reg_write(x86.UC_X86_REG_GDTR, (0, paging.GDT_ADDRESS, segments.ENTRIES * 8 - 1, 0))
        uc.reg_write(x86.UC_X86_REG_CR4, CR4_LINUX | uc.reg_read(x86.UC_X86_REG_CR4))
        uc.reg_write(x86.UC_X86_REG_CR3, paging.EMPTY_ROOT * PAGE_SIZE)
        uc.reg_write(x86.UC_X86_REG_CR0, CR0_LINUX)
        uc.reg_write(x86.UC_X86_REG_MXCSR, 0x1F80)
        uc.reg_write(x86.UC_X86_REG_FPCW, 0x37F)
        uc.reg_write(x86.UC_X86_REG_FPTAG, 0xFFFF)
        ctypes.memset(self.values, 0, ctypes.sizeof(self.values))
        self.values[RFLAGS] = FLAGS_ALWAYS
        self.general.store()

    def _make_notes(self) -> hooks.Notes:
        """The hooks' view of this engine, which holds no reference to it."""
        stop, handle = self._stop, self.handle
        segment, bases, counter = self._segment, self._bases, self._counter

        def mode() -> tuple[int, int]:
            segment.load()
            return segment.values[0], segment.values[1]

        def segment_base(name: str) -> int:
            bases.load()
            return int(bases.values[name == "gs"])

        def store_counter(value: int) -> None:
            counter.values[0] = value
            counter.store()

        return hooks.Notes(
            memory=self._physical.bytes,
            words=self._physical.words,
            values=self.values,
            stop=partial(stop, handle),
            load_registers=self.general.load,
            store_counter=store_counter,
            mode=mode,
            segment_base=segment_base,
            meter=self.meter,
            root=paging.EMPTY_ROOT * PAGE_SIZE,
        )

    def _install_hooks(self) -> None:
        const, x86, notes = self.library.const, self.library.x86, self.notes
        self._hook(const.UC_HOOK_INTR, hooks.interrupt_callback(notes), EVERYWHERE)
        for kind, number in (("syscall", x86.UC_X86_INS_SYSCALL), ("sysenter", x86.UC_X86_INS_SYSENTER)):
            self._hook(const.UC_HOOK_INSN, hooks.syscall_callback(notes, kind), EVERYWHERE, number)
        self._hook(const.UC_HOOK_INSN_INVALID, hooks.invalid_callback(notes), EVERYWHERE)
        self._hook(const.UC_HOOK_EDGE_GENERATED, hooks.translation_callback(notes), EVERYWHERE)
        self._install_meter()
        # A memory hook over RAM would make every load and store ten times slower.
        invalid_accesses = const.UC_HOOK_MEM_UNMAPPED | const.UC_HOOK_MEM_PROT
        beyond = (self._physical.size, (1 << 64) - 1)
        self._hook(invalid_accesses, hooks.beyond_callback(notes), beyond)
        self._watch_callback = hooks.watch_callback(notes)
        self._passing_callback = hooks.passing_callback(notes)

    def _install_meter(self) -> None:
        """The hook before each block; what it is given is read from the hook's own structure at each translation."""
        self._slow = hooks.limit_callback(self.notes)
        function = self.meter.use(self._slow)
        mark = self.meter.address
        hook = self._hook(self.library.const.UC_HOOK_BLOCK, function, EVERYWHERE, data=mark)
        offset = calibration.find_word(ctypes.string_at(hook, HOOK_SIZE), mark)
        self.meter.deliver_records_to(ctypes.c_uint64.from_address(hook + offset))

    def _hook(
        self, kind: int, callback: Any, bounds: tuple[int, int], *instruction: int, data: int | None = None
    ) -> int:
        hook = ctypes.c_size_t()
        status = self.library.functions.uc_hook_add(
            self.handle,
            ctypes.byref(hook),
            kind,
            ctypes.cast(callback, ctypes.c_void_p),
            ctypes.c_void_p(data),
            ctypes.c_uint64(bounds[0]),
            ctypes.c_uint64(bounds[1]),
            *(ctypes.c_int(number) for number in instruction),
        )
        if status:
            raise MachineError(f"the engine refuses a hook of kind {kind}: error {status}")
        self._callbacks[hook.value] = callback
        return hook.value

    # ---- what the engine keeps inside

    def _allocate_context(self) -> None:
        """One context of the engine's own, through which all saving and patching goes."""
        self._scratch = self._uc.context_save()
        self._scratch_pointer = self._scratch.context
        self.scratch_address = self._scratch_pointer.value
        self._scratch_size = len(bytes(self._scratch))
        self._context_save = self.library.functions.uc_context_save
        self._context_restore = self.library.functions.uc_context_restore

    def bind(self, offsets: ExceptionOffsets, processor: ProcessorOffsets, simd_flags: int) -> None:
        """Use calibrated offsets from now on. Raises MachineError when the CPU's state is not where it should be."""
        place = ctypes.c_ubyte.from_address(self.scratch_address + simd_flags)
        self.simd = SimdFlags(self.library.functions, self.handle, self._scratch, place, self._mxcsr)
        self.notes.simd = self.simd
        cpu = ctypes.c_uint64.from_address(self.handle.value + processor.pointer).value
        state = ctypes.c_uint64.from_address(cpu + processor.state).value
        if self.context_image().count(ctypes.string_at(state, FLAGS_ARE)) != 1:
            raise MachineError("cannot calibrate this Unicorn: the CPU's state is not where it is expected")
        self._old_exception = ctypes.c_int.from_address(state + offsets.old_exception)
        self._error_code = ctypes.c_int.from_address(state + offsets.error_code)
        self._is_interrupt = ctypes.c_int.from_address(state + offsets.is_interrupt)
        self._flags_are = ctypes.c_int.from_address(state + offsets.flags_are)
        self._cr2 = ctypes.c_uint64.from_address(state + offsets.fault_address)
        self.notes.look = self._lookout()
        self._next_flags = ctypes.c_uint32.from_address(cpu + processor.next_flags)
        self.notes.asked_for = asked_for(cpu + processor.jump_cache)

    def _lookout(self) -> Callable[[], None]:
        """What notes the exception in progress when its hook runs, as a function that does not refer to this object."""
        seen, cr2, error_code, is_interrupt = self._seen, self._cr2, self._error_code, self._is_interrupt

        def look() -> None:
            if seen.has_exits:
                seen.exception = (error_code.value, bool(is_interrupt.value), cr2.value)

        return look

    def find_exception_offsets(self) -> ExceptionOffsets:
        """Fault once, on purpose, and see what changed."""
        before = self.context_image()
        for index in range(16):
            self.values[index] = 0x0123_4567_89AB_CDEF * (index + 1)
        self.values[RIP] = 0x10000
        self.general.store()
        self.start(0x10000, 0)
        if (self.notes.event, self.notes.value) != ("exception", PAGE_FAULT):
            raise MachineError("cannot calibrate this Unicorn: an unmapped page does not fault")
        registers = bytes(self.values)[: 16 * 8]
        control = struct.pack("<QQ", 0x10000, paging.EMPTY_ROOT * PAGE_SIZE)
        after = self.context_image()
        return calibration.find_exception_offsets(before, after, PAGE_FAULT, 0x14, registers, control)

    def find_processor_offsets(self) -> ProcessorOffsets:
        """Look for the CPU in the engine's structure by the shape of what is around it."""
        library = ctypes.cast(self._start, ctypes.c_void_p).value or 0
        structure = ctypes.string_at(self.handle.value, UC_STRUCTURE)
        pointer, cpu = calibration.find_processor(structure, library)
        return calibration.find_processor_offsets(pointer, cpu, ctypes.string_at(cpu, PROCESSOR))

    def find_simd_flags_offset(self) -> int:
        """Divide by zero, on purpose, in two ways."""
        images = [self.context_image()]
        for code in (DIVIDE_ZERO_BY_ZERO, DIVIDE_ONE_BY_ZERO):
            self.restore_image(images[0])
            self.run_snippet(code)
            images.append(self.context_image())
        return calibration.find_flags_offset(*images)

    def try_counting(self) -> None:
        """Run two of three no-operations, by what was calibrated. Raises MachineError if that is not what happens."""
        words, start = self._physical.words, paging.SNIPPET_ADDRESS
        self.values[RSP] = paging.write_snippet(self._physical.bytes, b"\x90\x90\x90\x0f\x0b", b"")
        paging.show_snippet(words, shown=True)
        seen = []
        for count in (1, 2):
            self.values[RIP] = start
            self.general.store()
            self.start(start, count, first=count)
            self.general.load()
            seen.append((self.values[RIP] - start, self.meter.executed(), self.notes.event))
        if seen != [(1, 1, "limit"), (2, 2, "limit")]:
            raise MachineError(f"cannot calibrate this Unicorn: it does not count as expected ({seen})")

    def forget_exception(self) -> tuple[int, bool]:
        """Reset the recorded exception, or the next one would be a double fault: (error code, software?)."""
        self._old_exception.value = -1
        if self._seen.exception is not None:
            return self._seen.exception[0], self._seen.exception[1]
        return self._error_code.value, bool(self._is_interrupt.value)

    def use_stored_flags(self) -> None:
        """The flags are those that were worked out before a rotation through carry, which then faulted.

        The engine has stored them where its last result was, and after a fault takes them for that result.
        """
        self._flags_are.value = calibration.FLAGS_ARE_STORED
        self.general.load()

    # ---- contexts and registers

    def context_image(self) -> bytes:
        """All CPU state, as the engine stores it."""
        self._context_save(self.handle, self._scratch_pointer)
        return ctypes.string_at(self.scratch_address, self._scratch_size)

    def restore_image(self, image: bytes) -> None:
        """Put an image back; the TLB keeps what it cached."""
        ctypes.memmove(self.scratch_address, image, self._scratch_size)
        self._context_restore(self.handle, self._scratch_pointer)

    def fault_address(self) -> int:
        """CR2 at the exception that stopped the run."""
        if self._seen.exception is not None:
            return self._seen.exception[2]
        return self._cr2.value

    def set_root(self, root: int) -> None:
        """Write CR3, which flushes the TLB."""
        self.notes.use_root(root)
        self._root_register.values[0] = root
        self._root_register.store()

    def base(self, index: int) -> int:
        """The base of FS (0) or GS (1)."""
        self._bases.load()
        return int(self._bases.values[index])

    def set_base(self, index: int, value: int) -> None:
        """Write the base of FS (0) or GS (1)."""
        self._bases.load()
        self._bases.values[index] = value
        self._bases.store()

    def run_snippet(self, code: bytes, stack: bytes = b"") -> None:
        """Run a few instructions of the machine's own at CPL 3 until they raise an exception.

        General registers are put back afterwards; the rest of the CPU's state is what the code made of it.
        """
        words, values = self._physical.words, self.values
        kept = bytes(values)
        values[RSP] = paging.write_snippet(self._physical.bytes, code, stack)
        values[RIP] = paging.SNIPPET_ADDRESS
        paging.show_snippet(words, shown=True)
        self.general.store()
        self.start(paging.SNIPPET_ADDRESS, UNLIMITED)
        paging.show_snippet(words, shown=False)
        self.flush_tlb()
        self.flush_code()
        ctypes.memmove(values, kept, len(kept))
        self.general.store()
        if self.notes.event not in ("exception", "invalid"):
            raise MachineError("the engine does not run the machine's own code")

    def enter_compatibility_mode(self) -> None:
        """Let the CPU itself change to CS 0x23 with flat data segments, by a far return at CPL 3."""
        self.run_snippet(LOAD_FLAT_SEGMENTS, struct.pack("<QQ", COMPATIBILITY_TARGET, segments.USER32_CS))
        self.forget_exception()
        if self.notes.mode()[0] != segments.USER32_CS:
            raise MachineError("the engine cannot be brought into compatibility mode")

    def selectors(self) -> dict[str, int]:
        """The six segment registers' selectors."""
        self._selectors.load()
        return dict(zip(SEGMENT_REGISTERS, self._selectors.values, strict=True))

    # ---- running and translated code

    def start(self, address: int, limit: int, first: int = 0) -> int:
        """Run from `address` until a block would exceed `limit` instructions; the engine's status.

        `first` ends the first block after so many instructions at the most (0: where it ends by itself).
        """
        self.notes.event, self._seen.exception = "", None
        self.meter.start(limit)
        if not first:
            status: int = self._start(self.handle, address, 0, 0, 0)
            return status
        self.meter.stepping = first == 1
        self._next_flags.value = first
        status = self._start(self.handle, address, 0, 0, 0)
        self._next_flags.value, self.meter.stepping = AS_EVER, False
        return status

    def set_exits(self, addresses: Collection[int]) -> None:
        """The addresses that stop the engine before their instruction, in blocks translated from now on."""
        self._seen.has_exits = bool(addresses)
        self.notes.stops = frozenset(addresses)
        exits = (ctypes.c_uint64 * len(addresses))(*addresses)
        self.library.functions.uc_ctl(self.handle, SET_EXITS, exits, ctypes.c_size_t(len(addresses)))

    def watch(self, address: int) -> None:
        """Check the operand of the instruction at `address` each time before it runs."""
        if address not in self._watches:
            self._watches[address] = self._hook(
                self.library.const.UC_HOOK_CODE, self._watch_callback, (address, address)
            )

    def unwatch_all(self) -> None:
        """Remove the hooks that `watch` set; only while nothing is translated."""
        self._unhook(self._watches)

    def look_in_passing(self, addresses: frozenset[int]) -> None:
        """Tell `notes.observer` of these instructions, and of no others, each time before they run. Drops translated code."""
        self.flush_code()
        self._unhook(self._passed)
        self.notes.hooked.clear()
        self.notes.passed, self.notes.passed_in_order = addresses, tuple(sorted(addresses))

    def hook_passed(self, address: int) -> None:
        """A block was translated that holds one of these instructions; it must be translated again."""
        self.notes.hooked.add(address)
        kind = self.library.const.UC_HOOK_CODE
        self._passed[address] = self._hook(kind, self._passing_callback, (address, address))

    def _unhook(self, handles: dict[int, int]) -> None:
        for hook in handles.values():
            self.library.functions.uc_hook_del(self.handle, hook)
            del self._callbacks[hook]
        handles.clear()

    def drop_block(self, address: int, size: int) -> None:
        """Forget the code translated from one block of the current address space."""
        self.notes.translated.discard(address)
        self._uc.ctl_remove_cache(address, address + size)

    def flush_code(self) -> None:
        """Forget all translated code."""
        self._uc.ctl_flush_tb()
        self.notes.forget_code()

    def flush_tlb(self) -> None:
        """Forget cached address translations."""
        self.notes.code_pages.clear()
        self.library.functions.uc_ctl(self.handle, TLB_FLUSH)


def asked_for(jump_cache: int) -> Callable[[int], int]:
    """A function that tells after how many instructions the block just translated at an address was to end; 0: not said."""

    def flags(address: int) -> int:
        folded = address ^ address >> 6  # tb_jmp_cache_hash_func
        place = (folded >> 6 & 0xFC0 | folded & 0x3F) * 8
        block: int = ctypes.c_uint64.from_address(jump_cache + place).value
        return ctypes.c_uint32.from_address(block + TB_FLAGS).value & TB_FLAGS_COUNT

    return flags


@cache
def calibrated(library: Library) -> tuple[ExceptionOffsets, ProcessorOffsets, int]:
    """Offsets inside the engine, found once for each process on a throwaway instance, and tried out."""
    physical = PhysicalMemory(64 * PAGE_SIZE)
    engine = Engine(library, physical, (ctypes.c_uint64 * len(NAMES))())
    simd_flags = engine.find_simd_flags_offset()
    exceptions, processor = engine.find_exception_offsets(), engine.find_processor_offsets()
    engine.bind(exceptions, processor, simd_flags)
    engine.try_counting()
    return exceptions, processor, simd_flags
