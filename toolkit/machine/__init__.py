"""One emulated x86-64 CPU with paged physical memory. It knows nothing of areas, files or signals.

`cpu.py` holds the machine and is the only module that imports unicorn (when the first machine is made).
"""

from __future__ import annotations

from toolkit.machine.cpu import Context, Machine
from toolkit.machine.events import (
    Breakpoint,
    BudgetSpent,
    Event,
    Interrupted,
    InvalidOpcode,
    MachineError,
    Nondeterministic,
    PageFault,
    Rewritten,
    Syscall,
    Trap,
)
from toolkit.machine.registers import Registers

__all__ = [
    "Breakpoint",
    "BudgetSpent",
    "Context",
    "Event",
    "Interrupted",
    "InvalidOpcode",
    "Machine",
    "MachineError",
    "Nondeterministic",
    "PageFault",
    "Registers",
    "Rewritten",
    "Syscall",
    "Trap",
]
