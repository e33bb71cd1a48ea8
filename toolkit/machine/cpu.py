"""One emulated CPU with its physical memory; the only module that imports unicorn.

The program runs at CPL 3 with 4-level paging and NX, so faults, rights and page crossings are the hardware's.
Hooks only note what happened and stop the engine; `run` turns the note into an event after the CPU returned.

Root page tables belong to the kernel, except for entry 256 (addresses from 0xffff800000000000): there the
machine keeps the supervisor page of its descriptor table, and `set_page_table` fills the entry in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from toolkit.machine import calibration, segments
from toolkit.machine.events import (
    BREAKPOINT,
    DEBUG,
    GENERAL_PROTECTION,
    INVALID_OPCODE,
    OVERFLOW,
    PAGE_FAULT,
    SYSCALL_VECTOR,
    Breakpoint,
    BudgetSpent,
    Event,
    InvalidOpcode,
    MachineError,
    Nondeterministic,
    PageFault,
    Syscall,
    Trap,
)
from toolkit.machine.physical import DEFAULT_SIZE, PAGE_SIZE, PhysicalMemory
from toolkit.machine.registers import NAMES, R11, RCX, RFLAGS, RIP, Registers

MACHINE_HALF = 256
MACHINE_BASE = 0xFFFF_8000_0000_0000
GDT_FRAME, FLAT_CODE_FRAME, MACHINE_PDPT, MACHINE_PD, MACHINE_PT, EMPTY_ROOT = range(1, 7)
FIRST_FREE_FRAME = 16
GDT_ADDRESS = MACHINE_BASE + GDT_FRAME * PAGE_SIZE
PRESENT_WRITABLE = 3
PRESENT_WRITABLE_USER = 7

CR0_LINUX = 0x80050033  # PE MP ET NE WP AM PG
CR4_TSD = 0x4  # rdtsc faults in programs, so that time is the kernel's to tell
CR4_LINUX = 0x620 | CR4_TSD  # PAE OSFXSR OSXMMEXCPT
EFER, EFER_SCE_NXE = 0xC0000080, 0x801
STAR, STAR_VALUE = 0xC0000081, 0x23 << 48 | 0x10 << 32
FLAGS_OF_PROGRAMS = 0x254DD5  # CF PF AF ZF SF TF DF OF NT RF AC ID
PF_INSTRUCTION = 0x10
FLAGS_ALWAYS = 0x202  # IF and the reserved bit 1

CODE_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
INTERRUPT_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
SYSCALL_HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
CPUID_HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
IN_HOOK = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p)
OUT_HOOK = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint32, ctypes.c_void_p
)
INVALID_HOOK = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_void_p)
MEMORY_HOOK = ctypes.CFUNCTYPE(
    ctypes.c_bool,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_uint64,
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_void_p,
)


@dataclass(frozen=True, slots=True)
class Context:
    """All a thread owns of the CPU, as the engine stores it: opaque, and only for machines of this process."""

    image: bytes
    registers: bytes
    root: int


@cache
def unicorn() -> Any:
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
class Library:
    """The parts of the package used here: classes, constants, and the C functions."""

    package: Any
    const: Any
    x86: Any
    functions: Any


class Notes:
    """What the hooks of one machine noted in the run that just ended. Holds no reference to the machine."""

    __slots__ = ("code_frames", "error", "event", "value")

    def __init__(self) -> None:
        self.event = ""
        self.value = 0
        self.error: BaseException | None = None
        self.code_frames: set[int] = set()


@cache
def calibrated() -> tuple[calibration.ExceptionOffsets, int]:
    """Offsets inside the engine, found once for each process by a throwaway machine."""
    machine = Machine(64 * PAGE_SIZE, _calibrate=False)
    return machine._find_exception_offsets(), machine._find_counter_offset()


def completed(event: Event) -> bool:
    """Whether the engine's counter holds only completed instructions; a fetch fault begins none."""
    match event:
        case Syscall() | Breakpoint():
            return True
        case PageFault(error_code=error_code):
            return bool(error_code & PF_INSTRUCTION)
        case Trap(vector=vector, software=software):
            return software or vector == DEBUG
    return False


class Machine:
    """One x86-64 CPU and its physical memory, ready to run programs one after another.

    `memory_size` is in bytes and costs the host nothing until it is touched. Raises MachineError when the
    engine is missing, cannot be calibrated, or the host refuses the memory.
    """

    def __init__(self, memory_size: int = DEFAULT_SIZE, *, _calibrate: bool = True) -> None:
        self._library = unicorn()
        if memory_size < 2 * FIRST_FREE_FRAME * PAGE_SIZE:
            raise MachineError(f"physical memory of {memory_size} bytes is too small")
        self._physical = PhysicalMemory(memory_size)
        self.memory_size = memory_size
        self.bytes = self._physical.bytes
        self.words = self._physical.words
        self.first_free_frame = FIRST_FREE_FRAME
        self.registers = Registers()
        self.instructions = 0
        self._notes = Notes()
        self._counting = False
        self._exits: frozenset[int] = frozenset()
        self._breakpoints: frozenset[int] = frozenset()
        self._callbacks: list[Any] = []
        self._open_engine()
        self._prepare_register_arrays()
        self._enter_user_mode()
        self._install_hooks()
        self._allocate_context()
        self._offsets = calibration.ExceptionOffsets(0, 0, 0)
        if _calibrate:
            self._offsets, counter = calibrated()
            self._bind_offsets(counter)
        self._pristine = self.save_context()

    # ---- setting up

    def _open_engine(self) -> None:
        package, const = self._library.package, self._library.const
        try:
            self._engine = package.Uc(const.UC_ARCH_X86, const.UC_MODE_64)
            self._handle = self._engine._uch
            self._engine.ctl_exits_enabled(True)
            self._engine.mem_map_ptr(0, self.memory_size, const.UC_PROT_ALL, self._physical.address)
        except package.UcError as error:
            raise MachineError(f"the Unicorn engine cannot be set up: {error}") from error
        functions = self._library.functions
        self._start, self._stop = functions.uc_emu_start, functions.uc_emu_stop

    def _prepare_register_arrays(self) -> None:
        x86 = self._library.x86
        base = ctypes.addressof(self.registers.values)
        self._register_ids = (ctypes.c_int * 18)(
            *(getattr(x86, f"UC_X86_REG_{name.upper()}") for name in NAMES)
        )
        self._register_places = (ctypes.c_void_p * 18)(*(base + 8 * index for index in range(18)))
        self._read_batch = self._library.functions.uc_reg_read_batch
        self._write_batch = self._library.functions.uc_reg_write_batch

    def _load_registers(self) -> None:
        self._read_batch(self._handle, self._register_ids, self._register_places, 18)

    def _store_registers(self) -> None:
        values = self.registers.values
        values[RFLAGS] = values[RFLAGS] & FLAGS_OF_PROGRAMS | FLAGS_ALWAYS
        self._write_batch(self._handle, self._register_ids, self._register_places, 18)

    def _enter_user_mode(self) -> None:
        """Execute one real `sysretq` with paging off: writing CS would not change the privilege level."""
        engine, x86 = self._engine, self._library.x86
        code = FLAT_CODE_FRAME * PAGE_SIZE
        engine.mem_write(code, b"\x48\x0f\x07")
        engine.ctl_set_exits([code + 0x800])
        engine.msr_write(EFER, engine.msr_read(EFER) | EFER_SCE_NXE)
        engine.msr_write(STAR, STAR_VALUE)
        engine.reg_write(x86.UC_X86_REG_RCX, code + 0x800)
        engine.reg_write(x86.UC_X86_REG_R11, FLAGS_ALWAYS)
        engine.emu_start(code, 0)
        engine.ctl_set_exits([])
        self._write_machine_tables()
        engine.reg_write(x86.UC_X86_REG_GDTR, (0, GDT_ADDRESS, segments.ENTRIES * 8 - 1, 0))
        engine.reg_write(x86.UC_X86_REG_CR4, CR4_LINUX | engine.reg_read(x86.UC_X86_REG_CR4))
        self._root = EMPTY_ROOT * PAGE_SIZE
        engine.reg_write(x86.UC_X86_REG_CR3, self._root)
        engine.reg_write(x86.UC_X86_REG_CR0, CR0_LINUX)
        engine.reg_write(x86.UC_X86_REG_MXCSR, 0x1F80)
        engine.reg_write(x86.UC_X86_REG_FPCW, 0x37F)
        engine.reg_write(x86.UC_X86_REG_FPTAG, 0xFFFF)
        for register in ("RAX", "RCX", "R11", "RDX"):
            engine.reg_write(getattr(x86, f"UC_X86_REG_{register}"), 0)
        self._load_registers()
        self.registers.values[RIP] = 0

    def _write_machine_tables(self) -> None:
        """The descriptor table and the page tables that map it, for supervisor accesses only."""
        words, in_words = self.words, PAGE_SIZE // 8
        for index, entry in enumerate(segments.table()):
            words[GDT_FRAME * in_words + index] = entry
        words[MACHINE_PDPT * in_words] = MACHINE_PD * PAGE_SIZE | PRESENT_WRITABLE_USER
        words[MACHINE_PD * in_words] = MACHINE_PT * PAGE_SIZE | PRESENT_WRITABLE_USER
        words[MACHINE_PT * in_words + GDT_FRAME] = GDT_FRAME * PAGE_SIZE | PRESENT_WRITABLE
        self._share_machine_half(EMPTY_ROOT * PAGE_SIZE)

    def _share_machine_half(self, root: int) -> None:
        self.words[root // 8 + MACHINE_HALF] = MACHINE_PDPT * PAGE_SIZE | PRESENT_WRITABLE_USER

    # ---- hooks: note and stop

    def _install_hooks(self) -> None:
        const, x86 = self._library.const, self._library.x86
        notes, stop, handle = self._notes, self._stop, self._handle
        read_registers = self._load_registers_function()

        def interrupt(_engine: int, vector: int, _data: int) -> None:
            notes.event, notes.value = "exception", vector
            stop(handle)

        def syscall(_engine: int, _data: int) -> None:
            notes.event = "syscall"
            stop(handle)

        def sysenter(_engine: int, _data: int) -> None:
            notes.event = "sysenter"
            read_registers()
            stop(handle)

        def cpuid(_engine: int, _data: int) -> int:
            notes.event = "cpuid"
            read_registers()
            stop(handle)
            return 1

        def port_in(_engine: int, _port: int, _size: int, _data: int) -> int:
            if not notes.event:
                notes.event = "port"
                read_registers()
            stop(handle)
            return 0

        def port_out(_engine: int, _port: int, _size: int, _value: int, _data: int) -> None:
            port_in(0, 0, 0, 0)

        def invalid(_engine: int, _data: int) -> bool:
            notes.event = "invalid"
            return False

        def beyond_memory(
            _engine: int, _kind: int, address: int, _size: int, _value: int, _data: int
        ) -> bool:
            notes.event, notes.value = "beyond", address
            return False

        everywhere = (1, 0)
        self._hook(const.UC_HOOK_INTR, INTERRUPT_HOOK(interrupt), *everywhere)
        self._hook(const.UC_HOOK_INSN, SYSCALL_HOOK(syscall), *everywhere, x86.UC_X86_INS_SYSCALL)
        self._hook(const.UC_HOOK_INSN, SYSCALL_HOOK(sysenter), *everywhere, x86.UC_X86_INS_SYSENTER)
        self._hook(const.UC_HOOK_INSN, CPUID_HOOK(cpuid), *everywhere, x86.UC_X86_INS_CPUID)
        self._hook(const.UC_HOOK_INSN, IN_HOOK(port_in), *everywhere, x86.UC_X86_INS_IN)
        self._hook(const.UC_HOOK_INSN, OUT_HOOK(port_out), *everywhere, x86.UC_X86_INS_OUT)
        self._hook(const.UC_HOOK_INSN_INVALID, INVALID_HOOK(invalid), *everywhere)
        kinds = const.UC_HOOK_MEM_UNMAPPED | const.UC_HOOK_MEM_PROT
        self._hook(kinds, MEMORY_HOOK(beyond_memory), self.memory_size, (1 << 64) - 1)

    def _load_registers_function(self) -> Callable[[], None]:
        """Like `_load_registers`, without a reference to the machine."""
        read, handle = self._read_batch, self._handle
        ids, places = self._register_ids, self._register_places

        def load() -> None:
            read(handle, ids, places, 18)

        return load

    def _hook(self, kind: int, callback: Any, begin: int, end: int, *instruction: int) -> None:
        hook = ctypes.c_size_t()
        status = self._library.functions.uc_hook_add(
            self._handle,
            ctypes.byref(hook),
            kind,
            ctypes.cast(callback, ctypes.c_void_p),
            None,
            ctypes.c_uint64(begin),
            ctypes.c_uint64(end),
            *(ctypes.c_int(number) for number in instruction),
        )
        if status:
            raise MachineError(f"the engine refuses a hook of kind {kind}: error {status}")
        self._callbacks.append(callback)

    # ---- what the engine keeps inside

    def _allocate_context(self) -> None:
        """One context of the engine's own, through which all saving and patching goes."""
        self._scratch = self._engine.context_save()
        pointer = self._scratch.context
        self._scratch_pointer = pointer
        self._scratch_address = pointer.value
        self._scratch_size = len(bytes(self._scratch))
        self._context_save = self._library.functions.uc_context_save
        self._context_restore = self._library.functions.uc_context_restore

    def _context_image(self) -> bytes:
        self._context_save(self._handle, self._scratch_pointer)
        return ctypes.string_at(self._scratch_address, self._scratch_size)

    def _bind_offsets(self, counter: int) -> None:
        base = self._scratch_address
        self._old_exception = ctypes.c_int.from_address(base + self._offsets.old_exception)
        self._error_code = ctypes.c_int.from_address(base + self._offsets.error_code)
        self._is_interrupt = ctypes.c_int.from_address(base + self._offsets.is_interrupt)
        self._counter = ctypes.c_uint64.from_address(self._handle.value + counter)

    def _find_exception_offsets(self) -> calibration.ExceptionOffsets:
        before = self._context_image()
        self.registers.values[RIP] = 0x10000
        self._notes.event = ""
        self._start(self._handle, 0x10000, 0, 0, 0)
        if (self._notes.event, self._notes.value) != ("exception", PAGE_FAULT):
            raise MachineError("cannot calibrate this Unicorn: an unmapped page does not fault")
        return calibration.find_exception_offsets(before, self._context_image(), PAGE_FAULT, 0x14)

    def _find_counter_offset(self) -> int:
        """Counts no-operations on an engine of its own, whose structure may be searched."""
        const = self._library.const
        engine = self._library.package.Uc(const.UC_ARCH_X86, const.UC_MODE_64)
        engine.mem_map(0x1000, PAGE_SIZE)
        engine.mem_write(0x1000, b"\x90" * PAGE_SIZE)
        return calibration.find_counter_offset(
            lambda count: engine.emu_start(0x1000, 0, 0, count),
            lambda: ctypes.string_at(engine._uch.value, 6000),
            (1234, 777, 2047),
        )

    def _forget_exception(self) -> tuple[int, bool]:
        """Reset the recorded exception, or the next one would be a double fault: (error code, software?)."""
        self._context_save(self._handle, self._scratch_pointer)
        self._old_exception.value = -1
        self._context_restore(self._handle, self._scratch_pointer)
        return self._error_code.value, bool(self._is_interrupt.value)

    # ---- running

    def run(self, budget: int | None = None) -> Event:
        """Run the program from `registers` until something happens; `registers` then hold its state.

        With a `budget` at most that many instructions (at least 1) are executed, and `instructions` tells how
        many were completed; a repetition of a string instruction counts once for each iteration. Without one
        the engine does not count and is about ten times faster, and `instructions` is 0.
        Raises MachineError when the engine does what no program can cause.
        """
        if (budget is not None) != self._counting:
            self._engine.ctl_flush_tb()
            self._counting = budget is not None
        if budget is not None and budget < 1:
            self.instructions = 0
            return BudgetSpent()
        self._store_registers()
        notes = self._notes
        notes.event = ""
        status = self._start(self._handle, self.registers.values[RIP], 0, 0, budget or 0)
        if notes.error is not None:
            error, notes.error = notes.error, None
            raise error
        event = self._event(status, budget)
        self._count(event, budget)
        return event

    def _count(self, event: Event, budget: int | None) -> None:
        """The engine counts an instruction when it begins it; one that faults was not completed."""
        if budget is None:
            self.instructions = 0
        elif isinstance(event, BudgetSpent):
            self.instructions = budget
        elif completed(event):
            self.instructions = self._counter.value
        else:
            self.instructions = self._counter.value - 1

    def _event(self, status: int, budget: int | None) -> Event:
        notes, values = self._notes, self.registers.values
        if notes.event == "syscall":
            self._load_registers()
            values[RCX], values[R11] = values[RIP], values[RFLAGS]
            return Syscall("syscall")
        if notes.event == "exception":
            self._load_registers()
            return self._exception_event(notes.value, *self._forget_exception())
        if notes.event == "sysenter":
            return Syscall("sysenter")
        if notes.event == "cpuid":
            return Nondeterministic("cpuid", length=2)
        if notes.event == "port":
            return Trap(GENERAL_PROTECTION)
        self._load_registers()
        if notes.event == "invalid":
            self._forget_exception()
            return InvalidOpcode()
        if notes.event == "beyond":
            raise MachineError(
                f"an access beyond physical memory, at {notes.value:#x}: a page table is wrong"
            )
        if status:
            raise MachineError(f"the engine stopped with error {status} at {values[RIP]:#x}")
        if budget is not None and self._counter.value > budget:
            return BudgetSpent()
        if values[RIP] in self._breakpoints:
            return Breakpoint()
        raise MachineError(f"the engine stopped without a reason at {values[RIP]:#x}")

    def _exception_event(self, vector: int, error_code: int, software: bool) -> Event:
        if not software:
            if vector == PAGE_FAULT:
                return PageFault(self._engine.reg_read(self._library.x86.UC_X86_REG_CR2), error_code)
            if vector == INVALID_OPCODE:
                return InvalidOpcode()
            return Trap(vector, error_code, software=vector == BREAKPOINT)
        if vector == SYSCALL_VECTOR:
            return Syscall("int80")
        if vector in (BREAKPOINT, OVERFLOW):
            return Trap(vector, 0, software=True)
        self.registers.values[RIP] -= 2
        return Trap(GENERAL_PROTECTION, vector * 8 + 2)

    # ---- memory

    def set_page_table(self, root: int) -> None:
        """Make the root page table at physical address `root` (bytes) the current one; flushes the TLB."""
        self._share_machine_half(root)
        self._root = root
        self._engine.reg_write(self._library.x86.UC_X86_REG_CR3, root)

    def flush_tlb(self) -> None:
        """Forget cached translations: after an entry of the current page table lost a right or its frame."""
        self._engine.ctl(self._library.const.UC_CTL_TLB_FLUSH, self._library.const.UC_CTL_IO_WRITE)

    def frame_changed(self, frame: int) -> None:
        """A frame (number) was written, reused or freed from outside: drop code translated from it."""
        self._engine.ctl_flush_tb()

    def write_physical(self, address: int, data: bytes) -> None:
        """Write `data` at a physical address (bytes), and drop code translated from what was there."""
        end = address + len(data)
        if address < 0 or end > self.memory_size:
            raise MachineError(f"no physical memory from {address:#x} to {end:#x}")
        self.bytes[address:end] = data
        for frame in range(address // PAGE_SIZE, (end + PAGE_SIZE - 1) // PAGE_SIZE):
            self.frame_changed(frame)

    # ---- contexts

    def save_context(self) -> Context:
        """A copy of everything a thread owns: registers, x87, SSE, segments and bases."""
        return Context(self._context_image(), bytes(self.registers.values), self._root)

    def restore_context(self, context: Context) -> None:
        """Put a saved copy back. The page table stays the one that `set_page_table` chose last."""
        ctypes.memmove(self._scratch_address, context.image, self._scratch_size)
        self._context_restore(self._handle, self._scratch_pointer)
        ctypes.memmove(self.registers.values, context.registers, len(context.registers))
        if context.root != self._root:
            self._engine.reg_write(self._library.x86.UC_X86_REG_CR3, self._root)

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        """Replace the set of virtual addresses before whose instruction `run` returns Breakpoint."""
        self._breakpoints = frozenset(addresses)
        self._engine.ctl_set_exits(sorted(self._breakpoints))
        self._engine.ctl_flush_tb()

    def reset(self, used_frames: int | None = None) -> None:
        """Pristine again, for the next program: CPU, breakpoints, translated code, and memory.

        Frames from `first_free_frame` up to `used_frames` (a frame number) are zeroed; all of them when it is
        None. No page table is current afterwards.
        """
        end = self.memory_size if used_frames is None else min(used_frames * PAGE_SIZE, self.memory_size)
        if end > FIRST_FREE_FRAME * PAGE_SIZE:
            self._physical.clear(FIRST_FREE_FRAME * PAGE_SIZE, end)
        if self._breakpoints:
            self.set_breakpoints(())
        self._root = EMPTY_ROOT * PAGE_SIZE
        self.restore_context(self._pristine)
        self._write_machine_tables()
        self._engine.ctl_flush_tb()
        self.flush_tlb()

    @property
    def fs_base(self) -> int:
        """The base of FS: thread-local storage."""
        return int(self._engine.reg_read(self._library.x86.UC_X86_REG_FS_BASE))

    @fs_base.setter
    def fs_base(self, value: int) -> None:
        self._engine.reg_write(self._library.x86.UC_X86_REG_FS_BASE, value)

    @property
    def gs_base(self) -> int:
        """The base of GS."""
        return int(self._engine.reg_read(self._library.x86.UC_X86_REG_GS_BASE))

    @gs_base.setter
    def gs_base(self, value: int) -> None:
        self._engine.reg_write(self._library.x86.UC_X86_REG_GS_BASE, value)
