"""From what the engine noted to the event that a kernel sees: runs, exceptions, special instructions, breakpoints."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Collection

from toolkit.machine import branches, decode, hooks, lookback, paging, umip
from toolkit.machine.counting import UNLIMITED
from toolkit.machine.engine import FLAGS_ALWAYS, FLAGS_OF_PROGRAMS, Engine, Library, calibrated
from toolkit.machine.events import (
    ALIGNMENT_CHECK,
    BREAKPOINT,
    DEBUG,
    GENERAL_PROTECTION,
    INVALID_OPCODE,
    OVERFLOW,
    PAGE_FAULT,
    SIMD_FLOATING_POINT,
    STACK_FAULT,
    SYSCALL_VECTOR,
    Breakpoint,
    BudgetSpent,
    Event,
    Held,
    Interrupted,
    InvalidOpcode,
    MachineError,
    Nondeterministic,
    PageFault,
    Rewritten,
    Syscall,
    Trap,
    is_fault,
)
from toolkit.machine.physical import PAGE_SIZE, PhysicalMemory
from toolkit.machine.registers import R11, RCX, RFLAGS, RIP, RSP, Registers
from toolkit.machine.simd import unmasked

SYSCALL = Syscall("syscall")
DOUBLE_FAULT = 8
INT_6 = b"\xcd\x06"
PF_USER, PF_INSTRUCTION = 0x4, 0x10
RESUME = 0x10000


class Runner:
    """The running half of a machine: an engine over physical memory, driven until something happens."""

    def __init__(self, library: Library, physical: PhysicalMemory) -> None:
        self._physical = physical
        self.memory_size = physical.size
        self.bytes = physical.bytes
        self.words = physical.words
        self.registers = Registers()
        self.instructions = 0
        self._engine = Engine(library, physical, self.registers.values)
        self._engine.bind(*calibrated(library))
        self._notes = self._engine.notes
        self._first = 0
        self._breakpoints: frozenset[int] = frozenset()
        self._fetched: int | None = None
        self._interrupt = threading.Event()
        self._running = False

    # ---- running

    def run(self, budget: int | None = None) -> Event:
        """Run the program from `registers` until something happens; `registers` then hold its state.

        `instructions` tells how many were completed, and with a `budget` no more than that are executed; a repeated
        string instruction counts once for each iteration. A breakpoint at the first instruction does not stop the
        run. Raises MachineError when the engine does what no program can cause.
        """
        self.instructions = 0
        if budget is not None and budget < 1:
            return BudgetSpent()
        self._prepare()
        self._running = True
        try:
            limit = UNLIMITED if budget is None else min(budget, UNLIMITED)
            if self.registers.values[RIP] in self._breakpoints:
                return self._run_over_breakpoint(limit)
            return self._run_legs(limit)
        finally:
            self._running = False

    def look_back(self) -> lookback.Trail:
        """What the program executed last, since `forget_history` and as far as it is remembered."""
        blocks = self._engine.meter.history()
        code = self._notes.code
        return lookback.look_back(
            ((block.address, code(block.address, block.size), block.instructions) for block in blocks),
            self._notes.bits(),
        )

    def forget_history(self) -> None:
        """The registers were given values by somebody else: another thread's, or the kernel's own."""
        self._engine.meter.forget_history()

    @property
    def rewrites(self) -> int:
        """How often the program changed code that it had run, since `reset`."""
        return self._engine.meter.rewrites

    def interrupt(self) -> None:
        """From another thread: make the run in progress return Interrupted; waits until it has.

        Python's own signal handlers wait for the engine to return. A program that loops is reached only so: let a
        thread read `signal.set_wakeup_fd` and call this. Without a run in progress the next one is interrupted.
        """
        self._interrupt.set()
        while self._running and self._interrupt.is_set():
            self._notes.stop()
            time.sleep(0.001)

    def single_step(self) -> Event:
        """Execute one instruction: BudgetSpent when it completed, else the event that kept it from that."""
        return self.run(1)

    def _prepare(self) -> None:
        """Look the page through that the program is about to run in."""
        if self._fetched is not None:
            self._guard_page(self._fetched & -PAGE_SIZE)
            self._fetched = None
        page = self.registers.values[RIP] & -PAGE_SIZE
        if page not in self._notes.scanned_pages:
            self._guard_page(page)

    def _run_legs(self, limit: int) -> Event:
        """The engine also stops for reasons of ours, after which the program goes on."""
        self._first = 1 if limit == 1 else 0
        while True:
            if self._interrupt.is_set():
                self._interrupt.clear()
                return Interrupted()
            if self._notes.unmasked:
                event, executed = self._checked_step()
            else:
                event, executed = self._leg(limit - self.instructions)
            self.instructions += executed
            if event is not None:
                if event is not SYSCALL and is_fault(event):
                    self.registers.values[RFLAGS] |= RESUME
                return event
            if self.instructions == limit:
                return BudgetSpent()
            self._prepare()

    def _checked_step(self) -> tuple[Event | None, int]:
        """One instruction while an SSE exception is unmasked: #XM instead of its result, if it raises one."""
        engine = self._engine
        engine.simd.update()
        engine.simd.clear()
        engine.general.store()
        before, registers = engine.context_image(), bytes(self.registers.values)
        self._first = 1
        event, executed = self._leg(1)
        raised = engine.simd.raised()
        if raised & unmasked(engine.simd.mxcsr()):
            engine.restore_image(before)
            ctypes.memmove(self.registers.values, registers, len(registers))
            engine.simd.update(raised)
            return Trap(SIMD_FLOATING_POINT), 0
        return (None if isinstance(event, BudgetSpent) else event), executed

    def _leg(self, limit: int) -> tuple[Event | None, int]:
        """Let the engine run until it stops: what happened, and how many instructions were completed."""
        engine, notes, values = self._engine, self._notes, self.registers.values
        if values[RIP] in notes.exits:
            return self._at_exit(0)
        values[RFLAGS] = values[RFLAGS] & FLAGS_OF_PROGRAMS | FLAGS_ALWAYS
        first, self._first = self._first, 0
        engine.general.store()
        status = engine.start(values[RIP], limit, first)
        engine.general.load()
        executed = engine.meter.executed()
        if notes.error is not None:
            error, notes.error = notes.error, None
            raise error
        match notes.event:
            case "syscall":
                values[RCX], values[R11] = values[RIP], values[RFLAGS]
                return SYSCALL, executed
            case "exception":
                return self._exception(executed, limit)
            case "limit":  # what is left is shorter than the next block, of which it is the beginning
                self._first = limit - executed
                return None, executed
            case "rewritten":
                return Rewritten(), executed
            case "decode":
                self._attend_to_block()
                return None, executed
            case "full":
                engine.flush_code()
                engine.meter.forget_blocks()
                return None, executed
            case "sysenter" if notes.bits() == 32:
                return Syscall("sysenter"), executed
            case "sysenter":  # AMD's processors do not know it in long mode
                values[RIP] -= 2
                return InvalidOpcode(), executed - 1
            case "special":
                values[RIP] = notes.address
                special = decode.first(notes.code(notes.address), notes.bits())
                assert special is not None
                executed = self._completed(executed)
                if special.kind == "umip":
                    event = self._descriptor_table(special)
                    return event, executed + (event is None)
                return self._special(special), executed + (special.kind == "icebp")
            case "protection":
                values[RIP] = notes.address
                return Trap(GENERAL_PROTECTION), self._completed(executed)
            case "held":
                values[RIP] = notes.address
                return Held(), self._completed(executed)
            case "alignment":
                values[RIP] = notes.address
                return Trap(ALIGNMENT_CHECK), self._completed(executed)
            case "unmask":
                values[RIP], notes.unmasked = notes.address, True
                return None, self._completed(executed)
            case "touch":
                values[RIP] = notes.address
                present = paging.walk(self.words, notes.root, notes.value)[1] & paging.PRESENT
                return PageFault(notes.value, PF_USER | present), self._completed(executed)
            case "invalid":
                engine.forget_exception()
                return self._invalid(), self._completed(executed)
            case "beyond":
                raise MachineError(
                    f"an access beyond physical memory, at {notes.value:#x}: a page table is wrong"
                )
        if status:
            raise MachineError(f"the engine stopped with error {status} at {values[RIP]:#x}")
        if self._interrupt.is_set():
            return None, self._completed(executed)
        return self._at_exit(executed)

    def _completed(self, charged: int) -> int:
        """Of the instructions charged for, those before RIP: the last block was left there."""
        return charged - self._engine.meter.left_at(self.registers.values[RIP], self._instructions_in)

    def _instructions_in(self, address: int, size: int) -> int:
        return decode.instructions_in(self._notes.code(address, size), self._notes.bits())

    # ---- exceptions

    def _exception(self, executed: int, limit: int) -> tuple[Event | None, int]:
        """What an exception means, given the instructions charged for."""
        error_code, software = self._engine.forget_exception()
        vector, values = self._notes.value, self.registers.values
        if self._notes.rotates and decode.IS_ROTATION.match(self._notes.code(values[RIP])):
            self._engine.use_stored_flags()
        if software:
            if vector == SYSCALL_VECTOR:
                return Syscall("int80"), executed
            if vector in (BREAKPOINT, OVERFLOW):
                return Trap(vector, 0, software=True), executed
            values[RIP] -= 2
            return Trap(GENERAL_PROTECTION, vector * 8 + 2), executed - 1
        if vector == PAGE_FAULT:
            return self._page_fault(error_code, executed, limit)
        if vector == DOUBLE_FAULT:
            # A look-up of exits had left its own page fault recorded: now forgotten, the real one comes again.
            return None, self._completed(executed)
        if vector == DEBUG:
            return Trap(DEBUG), executed
        if vector == BREAKPOINT:
            return Trap(BREAKPOINT, 0, software=True), executed
        if vector == INVALID_OPCODE:
            return self._invalid(), self._completed(executed)
        if vector == GENERAL_PROTECTION:
            return self._general_protection(error_code, executed)
        return Trap(vector, error_code), self._completed(executed)

    def _page_fault(self, error_code: int, executed: int, limit: int) -> tuple[Event | None, int]:
        """#PF, which the engine also has for addresses that the program did not touch."""
        values, notes = self.registers.values, self._notes
        address = self._engine.fault_address()
        before = values[RIP] % PAGE_SIZE == 0 and values[RIP] - PAGE_SIZE <= address < values[RIP]
        if (before or not error_code & PF_USER) and values[RIP] in notes.exits | self._breakpoints:
            # Stopping at the first byte of a page, the engine looks up the page before it as well.
            return self._at_exit(executed)
        if notes.exits and self._is_stale_exit(address):
            return None, executed
        if not error_code & PF_INSTRUCTION:
            return PageFault(address, error_code), self._completed(executed)
        if executed == limit:  # it is the next run that cannot begin
            return BudgetSpent(), executed
        return self._fetch_fault(address, error_code), executed

    def _is_stale_exit(self, address: int) -> bool:
        """Before it runs, the engine looks up the byte before each exit: one whose page is gone (exec, munmap) is dropped."""
        notes = self._notes
        stale = notes.exits & {address, address + 1}
        if address == self.registers.values[RIP] or not stale:
            return False
        notes.exits -= stale
        notes.scanned_pages -= {place & -PAGE_SIZE for place in stale}
        self._engine.set_exits(notes.exits | self._breakpoints)
        return True

    def _fetch_fault(self, address: int, error_code: int) -> Event | None:
        """A block that runs off its page is translated as a whole: let what lies before the end run first."""
        start = self.registers.values[RIP]
        if address > start and address % PAGE_SIZE == 0:
            code = self._notes.code(start, address - start)
            whole = decode.boundary(code, self._notes.bits(), len(code))
            if whole:
                self._notes.exits.add(start + whole)
                self._engine.set_exits(self._notes.exits | self._breakpoints)
                return None
        self._fetched = address
        return PageFault(address, error_code)

    def _general_protection(self, error_code: int, executed: int) -> tuple[Event, int]:
        """`rdtsc` faults so that the kernel can answer it; what goes through the stack segment is #SS."""
        values = self.registers.values
        address, bits = values[RIP], self._notes.bits()
        if not decode.is_canonical(address):
            block = self._engine.meter.begun()
            code = b"" if block is None else self._notes.code(block.address, block.size)
            jump = (
                None
                if block is None
                else branches.find_jump(block.address, code, values, address, self._notes.word)
            )
            if block is None or jump is None:
                return Trap(GENERAL_PROTECTION), executed
            values[RIP], values[RSP] = jump.address, jump.stack_pointer
            return Trap(GENERAL_PROTECTION), self._completed(executed)
        executed = self._completed(executed)
        code = self._notes.code(address)
        special = decode.first(code, bits)
        if special is not None and special.kind in ("answer", "invalid"):
            return self._special(special), executed
        if error_code == 0 and bits == 64 and decode.faults_in_stack_segment(code, values, address):
            return Trap(STACK_FAULT), executed
        return Trap(GENERAL_PROTECTION, error_code), executed

    def _invalid(self) -> Event:
        """The engine also calls invalid what the CPU only refuses to programs."""
        code = self._notes.code(self.registers.values[RIP])
        bits = self._notes.bits()
        special = decode.first(code, bits)
        if special is not None and special.kind not in hooks.CHECKED:
            return self._special(special)
        if code.startswith(INT_6):
            return Trap(GENERAL_PROTECTION, INVALID_OPCODE * 8 + 2)
        return InvalidOpcode(decode.missing_feature(code, bits))

    # ---- instructions that need care

    def _attend_to_block(self) -> None:
        """A new block holds special instructions: translate it again with stops or checks at them."""
        self._install_new()
        self._engine.drop_block(*self._notes.block)

    def _install_new(self) -> None:
        """Make the engine know of the instructions noted since the last time."""
        engine, notes = self._engine, self._notes
        if notes.new_exits:
            notes.exits |= notes.new_exits
            engine.set_exits(notes.exits | self._breakpoints)
            notes.new_exits.clear()
        for address in notes.new_watches:
            engine.watch(address)
        notes.new_watches.clear()
        for address in notes.new_hooked:
            engine.hook_passed(address)
        notes.new_hooked.clear()

    def _guard_page(self, page: int) -> None:
        """Keep the engine from translating an instruction that would abort the host's process."""
        self._notes.new_exits |= hooks.fatal_places(self._notes, page)
        self._install_new()

    def _at_exit(self, executed: int) -> tuple[Event | None, int]:
        """The engine stopped before an instruction: a breakpoint, a special one, or a stop no longer needed."""
        address = self.registers.values[RIP]
        if address in self._breakpoints:
            return Breakpoint(), executed
        special = decode.first(self._notes.code(address), self._notes.bits())
        if special is not None and special.kind not in hooks.CHECKED:
            return self._special(special), executed + (special.kind == "icebp")
        # A block that was translated for another address space may stop where that one had an exit.
        self._notes.exits.discard(address)
        self._engine.set_exits(self._notes.exits | self._breakpoints)
        self._engine.flush_code()
        self._engine.forget_exception()
        return None, executed

    def _special(self, special: decode.Special) -> Event:
        match special.kind:
            case "answer":
                return Nondeterministic(special.name, special.length, special.size, special.register)  # type: ignore[arg-type]
            case "no-avx":
                return InvalidOpcode(decode.NO_AVX)
            case "invalid":
                return InvalidOpcode(decode.LOCK_NEEDS_MEMORY if special.name == "lock" else "")
            case "icebp":
                self.registers.values[RIP] += special.length
                return Trap(DEBUG, 0, software=True)
        return Trap(GENERAL_PROTECTION)

    def _descriptor_table(self, special: decode.Special) -> Event | None:
        """Do what Linux does for an instruction that reads system registers, and go on."""
        notes, values = self._notes, self.registers.values
        if special.register >= 0:
            umip.set_register(special, values)
        else:
            image = umip.stored(special, notes.bits())
            place = hooks.operand_address(notes, special, values[RIP])
            if not decode.is_canonical(place):
                return Trap(GENERAL_PROTECTION)
            stretches, refused = umip.writable_places(self.words, notes.root, place, len(image))
            if refused is not None:
                return PageFault(refused, umip.write_fault(self.words, notes.root, refused))
            for start, length in stretches:
                self.write_physical(start, image[:length])
                image = image[length:]
        self._engine.meter.note(values[RIP], special.length)
        values[RIP] += special.length
        return None

    # ---- breakpoints

    def set_breakpoints(self, addresses: Collection[int]) -> None:
        """Replace the set of virtual addresses before whose instruction `run` returns Breakpoint."""
        if self._breakpoints == frozenset(addresses):
            return
        self._stop_at(frozenset(addresses))
        self._engine.flush_code()

    def look_in_passing(
        self, addresses: Collection[int], observer: Callable[[int], bool] | None = None
    ) -> None:
        """Call `observer` with the address each time an instruction at one of these is about to run, in the place of the last one.

        It costs a twentieth of a breakpoint. `registers` are those of that moment; to change them has no effect. It may
        read memory, and write where no code is and no table has to change; if it wants more it returns False, and the
        run returns Held. An instruction that faults, and is run again, is told of again.
        """
        self._notes.observer, wanted = observer, frozenset(addresses)
        if wanted is not self._notes.passed and wanted != self._notes.passed:
            self._engine.look_in_passing(wanted)

    def _run_over_breakpoint(self, limit: int) -> Event:
        """Execute the instruction under a breakpoint alone, with that one lifted, then go on.

        A budget that is used up at another breakpoint is used up, even if a branch led there.
        """
        breakpoints, place, meter = self._breakpoints, self.registers.values[RIP], self._engine.meter
        mark = meter.mark
        self._stop_at(breakpoints - {place})
        event = self._run_legs(1)
        self._stop_at(breakpoints)
        for block in meter.blocks_since(mark):
            if block.address <= place < block.address + block.size:
                self._engine.drop_block(block.address, block.size)
        if isinstance(event, Breakpoint):
            event = BudgetSpent()
        if not isinstance(event, BudgetSpent) or limit == 1:
            return event
        self._prepare()
        return Breakpoint() if self.registers.values[RIP] in breakpoints else self._run_legs(limit)

    def _stop_at(self, breakpoints: frozenset[int]) -> None:
        self._breakpoints = breakpoints
        self._engine.set_exits(self._notes.exits | breakpoints)

    # ---- memory

    def set_page_table(self, root: int) -> None:
        """Make the root page table at physical address `root` (bytes) the current one; flushes the TLB."""
        paging.share_machine_half(self.words, root)
        self._engine.set_root(root)

    def flush_tlb(self) -> None:
        """Forget cached translations: after an entry of the current page table lost a right or its frame."""
        self._engine.flush_tlb()

    def frame_changed(self, frame: int) -> None:
        """A frame (number) was written, reused or freed from outside: drop code translated from it."""
        if frame in self._notes.code_frames:
            self._notes.scanned.clear()
            self._notes.use_root(self._notes.root)
            self._engine.flush_code()

    def write_physical(self, address: int, data: bytes) -> None:
        """Write `data` at a physical address (bytes), and drop code translated from what was there."""
        end = address + len(data)
        if address < 0 or end > self.memory_size:
            raise MachineError(f"no physical memory from {address:#x} to {end:#x}")
        self.bytes[address:end] = data
        for frame in range(address // PAGE_SIZE, (end + PAGE_SIZE - 1) // PAGE_SIZE):
            self.frame_changed(frame)
