"""What stops a running program: one small frozen record for each way back from `Machine.run`.

Exception vectors and error codes are those of the Intel SDM, volume 3, chapter 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


class MachineError(Exception):
    """The engine is missing, cannot be calibrated, or did what no program can make a CPU do.

    It is never the program's fault: whoever runs a program reports it as broken, not as failed.
    """


@dataclass(frozen=True, slots=True)
class Syscall:
    """The program asked the kernel for something; RIP is the next instruction's.

    After `syscall` RCX holds the return address and R11 the flags, as the CPU leaves them.
    After `sysenter` RIP is the address after the instruction: the CPU itself keeps no return address.
    """

    kind: Literal["syscall", "int80", "sysenter"]


@dataclass(frozen=True, slots=True)
class PageFault:
    """#PF. `address` is CR2, `error_code` the hardware's: P=1, W=2, U=4, I=16. RIP is the faulting instruction."""

    address: int
    error_code: int


@dataclass(frozen=True, slots=True)
class Trap:
    """An exception other than #PF and #UD, or a software interrupt.

    `vector` and `error_code` are the CPU's. `software` is true for `int3`, `icebp`, `int1` and `into`, which
    report the *next* instruction in RIP; a fault reports its own. `int N` that the kernel's IDT does not open
    to programs arrives as what the CPU makes of it: #GP (vector 13) with error code `N * 8 + 2`.
    """

    vector: int
    error_code: int = 0
    software: bool = False


@dataclass(frozen=True, slots=True)
class InvalidOpcode:
    """#UD. `reason` is a sentence for a person when the native CPU would have run the instruction, else ''."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """`budget` instructions were executed; RIP is the next one."""


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """RIP is one of the breakpoints; its instruction was not executed."""


@dataclass(frozen=True, slots=True)
class Held:
    """The observer of `look_in_passing` asked for a stop; RIP is the instruction it was told of, which was not executed."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """`Machine.interrupt` was called from another thread; RIP is the next instruction's.

    Where that is depends on the moment, and the count of instructions may be one too many or too few.
    """


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The program changed code that it had run `REWRITES_TOLD` more times; RIP is the next instruction's.

    Each change makes the engine translate anew, which takes as long as thousands of instructions: whoever bounds a run
    in time must know of it. `Machine.rewrites` is the total.
    """


@dataclass(frozen=True, slots=True)
class Nondeterministic:
    """An instruction whose result is a matter of time or chance; RIP is the instruction's own.

    The kernel chooses the answer and gives it to `Machine.answer`, which also steps over the instruction.
    `length` is the instruction's in bytes, `size` the width in bytes of what `rdrand` and `rdseed` return.
    """

    instruction: Literal["rdtsc", "rdtscp", "rdrand", "rdseed", "cpuid"]
    length: int
    size: int = 8
    register: int = 0


Event: TypeAlias = (
    Syscall
    | PageFault
    | Trap
    | InvalidOpcode
    | BudgetSpent
    | Breakpoint
    | Held
    | Interrupted
    | Rewritten
    | Nondeterministic
)

DIVIDE_ERROR = 0
DEBUG = 1
BREAKPOINT = 3
OVERFLOW = 4
BOUND_RANGE = 5
INVALID_OPCODE = 6
STACK_FAULT = 12
GENERAL_PROTECTION = 13
PAGE_FAULT = 14
FLOATING_POINT = 16
ALIGNMENT_CHECK = 17
SIMD_FLOATING_POINT = 19
SYSCALL_VECTOR = 0x80


def is_fault(event: Event) -> bool:
    """Whether the CPU reports the event as a fault: with RF set in the saved flags (SDM volume 3, 17.3.1.1)."""
    if isinstance(event, Trap):
        return not event.software and event.vector != DEBUG
    return isinstance(event, (PageFault, InvalidOpcode))
