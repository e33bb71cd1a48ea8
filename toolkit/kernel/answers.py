"""Answers to instructions whose result would leak the host: time stamps, random numbers, processor identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.machine.events import Nondeterministic
from toolkit.machine.registers import RAX, RCX

if TYPE_CHECKING:
    from toolkit.kernel.kernel import Kernel
    from toolkit.kernel.task import Thread


VENDOR = (0x756E6547, 0x6C65746E, 0x49656E69)
"""EBX, ECX, EDX of leaf 0: GenuineIntel."""
FEATURES_D = 0x178BFBFF
"""Leaf 1, EDX: what AT_HWCAP shows."""
FEATURES_C = 0x40002001
"""Leaf 1, ECX: SSE3, CMPXCHG16B, RDRAND."""
CPUID = {
    (0, 0): (7, VENDOR[0], VENDOR[1], VENDOR[2]),
    (1, 0): (0x000306A9, 0x00010800, FEATURES_C, FEATURES_D),
    (2, 0): (1, 0, 0, 0),
    (7, 0): (0, 1, 0, 0),
    (0x80000000, 0): (0x80000008, *VENDOR),
    (0x80000001, 0): (0, 0, 1, 0x28100800),
    (0x80000008, 0): (0x3028, 0, 0, 0),
}
"""Leaf, subleaf → EAX, EBX, ECX, EDX: a processor without AVX and XSAVE (Intel SDM, CPUID)."""
CYCLES_PER_NANOSECOND = 2


def answer(kernel: Kernel, thread: Thread, event: Nondeterministic) -> None:
    """Choose the value from the clock or the seed; the machine steps over the instruction."""
    machine = kernel.machine
    match event.instruction:
        case "rdtsc" | "rdtscp":
            machine.answer(event, kernel.clock.now * CYCLES_PER_NANOSECOND)
        case "rdrand" | "rdseed":
            machine.answer(event, int.from_bytes(kernel.random_bytes(event.size), "little"))
        case "cpuid":
            leaf, subleaf = thread.registers[RAX] & 0xFFFFFFFF, thread.registers[RCX] & 0xFFFFFFFF
            machine.answer(event, *CPUID.get((leaf, subleaf if leaf == 7 else 0), (0, 0, 0, 0)))
