"""From what stopped the CPU to the signal Linux sends for it (arch/x86/kernel/traps.c, mm/fault.c)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from toolkit.abi.memory import PF_INSTRUCTION, PF_USER, PF_WRITE
from toolkit.abi.signals import (
    BUS_ADRALN,
    FPE_FLTDIV,
    FPE_FLTINV,
    FPE_FLTOVF,
    FPE_FLTRES,
    FPE_FLTUND,
    FPE_INTDIV,
    ILL_ILLOPN,
    SI_KERNEL,
    TRAP_BRKPT,
    TRAP_TRACE,
    Signal,
)
from toolkit.kernel import answers
from toolkit.kernel.errors import SyscallError
from toolkit.kernel.mm.faults import Resolved, fault
from toolkit.kernel.outcome import FaultDetail, PastInstruction
from toolkit.kernel.signals import SignalInfo, force, handles
from toolkit.kernel.syscalls.dispatch import call
from toolkit.kernel.task import LastTrap
from toolkit.machine import events
from toolkit.machine.registers import RAX, RIP, RSP

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Thread
    from toolkit.machine.lookback import Past

Access = Literal["read", "write", "execute", "none"]
EXPLAINED_BY_THE_PAST = frozenset((Signal.SIGSEGV, Signal.SIGBUS, Signal.SIGFPE))
VSYSCALLS = {0x000: 96, 0x400: 201, 0x800: 309}
"""Offsets in the vsyscall page and the system calls they stand for: gettimeofday, time, getcpu."""


def handle(kernel: Kernel, thread: Thread, event: events.Event) -> None:
    """Act on any event that is no system call: resolve the fault, or send the signal."""
    if isinstance(event, events.PageFault):
        page_fault(kernel, thread, event)
    elif isinstance(event, events.Nondeterministic):
        answers.answer(kernel, thread, event)
    elif isinstance(event, events.InvalidOpcode):
        rip = thread.registers[RIP]
        raise_signal(kernel, thread, Signal.SIGILL, ILL_ILLOPN, rip, vector=6, reason=event.reason)
    elif isinstance(event, events.Trap):
        trap(kernel, thread, event)
    else:
        raise AssertionError(f"unexpected event {event!r}")


def page_fault(kernel: Kernel, thread: Thread, event: events.PageFault) -> None:
    """Let mm resolve the fault, else SIGSEGV or SIGBUS with the address."""
    address, code = event.address, event.error_code
    layout = thread.process.personality.layout
    if layout.vsyscall is not None and layout.vsyscall <= address < layout.vsyscall + 4096:
        if code & PF_INSTRUCTION and emulate_vsyscall(kernel, thread, address - layout.vsyscall):
            return
        raise_signal(kernel, thread, Signal.SIGSEGV, 1, address, vector=14, error_code=code | 1, cr2=address)
        return
    if code & PF_INSTRUCTION and kernel.comes_back(thread, address):
        return
    before = kernel.frames.page_work
    answer = fault(thread.memory, address, code)
    if isinstance(answer, Resolved):
        kernel.charge_fault(before)
        if not code & PF_INSTRUCTION:
            kernel.passing.begins_anew(thread)
        return
    if address >= layout.task_size:
        code |= 1
    raise_signal(
        kernel, thread, answer.signal, answer.code, address,
        vector=14, error_code=code | PF_USER, cr2=address, access=access_of(code),
    )  # fmt: skip


def access_of(code: int) -> Access:
    """What was tried, from the hardware's error code."""
    if code & PF_INSTRUCTION:
        return "execute"
    return "write" if code & PF_WRITE else "read"


def emulate_vsyscall(kernel: Kernel, thread: Thread, offset: int) -> bool:
    """Carry out a call into the vsyscall page, which is execute-only (emulate_vsyscall())."""
    number = VSYSCALLS.get(offset)
    values = thread.registers
    if number is None or values[RIP] & 0xFFF != offset:
        return False
    try:
        back = int.from_bytes(thread.memory.read(values[RSP], 8), "little")
    except SyscallError:
        return False
    values[RAX] = number
    call(kernel, thread, number, "x86_64")
    values[RIP] = back
    values[RSP] += 8
    return True


def trap(kernel: Kernel, thread: Thread, event: events.Trap) -> None:
    """Every other exception."""
    rip = thread.registers[RIP]
    signal, code, address = Signal.SIGSEGV, SI_KERNEL, 0
    match event.vector:
        case events.DIVIDE_ERROR:
            signal, code, address = Signal.SIGFPE, FPE_INTDIV, rip
        case events.DEBUG:
            signal, code, address = Signal.SIGTRAP, TRAP_BRKPT if event.software else TRAP_TRACE, rip
        case events.BREAKPOINT:
            signal = Signal.SIGTRAP
        case events.STACK_FAULT:
            signal = Signal.SIGBUS
        case events.ALIGNMENT_CHECK:
            signal, code = Signal.SIGBUS, BUS_ADRALN
        case events.FLOATING_POINT | events.SIMD_FLOATING_POINT:
            signal, code, address = Signal.SIGFPE, floating_point_code(kernel, event.vector), rip
    raise_signal(kernel, thread, signal, code, address, vector=event.vector, error_code=event.error_code)


def floating_point_code(kernel: Kernel, vector: int) -> int:
    """fpu__exception_code(): the unmasked exception that is flagged, in the order of its severity."""
    image = kernel.machine.fpu_state()
    if vector == events.FLOATING_POINT:
        control, status = int.from_bytes(image[0:2], "little"), int.from_bytes(image[2:4], "little")
        flagged = status & ~control
    else:
        mxcsr = int.from_bytes(image[24:28], "little")
        flagged = mxcsr & ~(mxcsr >> 7)
    for bits, code in (
        (1, FPE_FLTINV),
        (4, FPE_FLTDIV),
        (8, FPE_FLTOVF),
        (0x12, FPE_FLTUND),
        (0x20, FPE_FLTRES),
    ):
        if flagged & bits:
            return code
    return 0


def raise_signal(
    kernel: Kernel,
    thread: Thread,
    signal: int,
    code: int,
    si_addr: int,
    *,
    vector: int,
    error_code: int = 0,
    cr2: int | None = None,
    access: Access = "none",
    reason: str = "",
) -> None:
    """Send the signal of an exception, with all that is known of it."""
    thread.last_trap = LastTrap(vector, error_code, cr2 if cr2 is not None else thread.last_trap.cr2)
    values = thread.registers
    detail = FaultDetail(
        signal=int(signal), code=code, access=access, address=cr2, si_addr=si_addr, error_code=error_code,
        vector=vector, rip=values[RIP], registers=kernel.machine.registers.as_dict(), reason=reason,
    )  # fmt: skip
    if signal in EXPLAINED_BY_THE_PAST and not handles(thread, int(signal)):
        detail = with_past(kernel, detail)
    force(thread, SignalInfo(int(signal), code, address=si_addr, fault=detail))


def with_past(kernel: Kernel, detail: FaultDetail) -> FaultDetail:
    """The fault with what the machine remembers of how the program came to it."""
    trail, total = kernel.machine.look_back(), kernel.instructions

    def past(found: Past) -> PastInstruction:
        return PastInstruction(found.address, found.code, total - found.ago + 1)

    return replace(
        detail,
        came_from=None if trail.last is None else past(trail.last),
        setters={register: past(found) for register, found in trail.writers.items()},
        since_start=trail.length == total,
    )
